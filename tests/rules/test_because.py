"""Which entities a BECAUSE row may be about."""

from factories import START_MS
from rules.factories_rules import entity

from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.history.history import Action, Step
from pagecast.featurestore.history.step_columns import StepColumns
from pagecast.rules.because import BECAUSE_ARGUMENTS_MAX, because_arguments


def step(entity_id: str, action: Action, rating: float | None = None) -> Step:
    return Step(occurred_at_ms=START_MS, action=action, entity_id=entity_id, rating=rating)


def catalog(*entity_ids: str) -> CatalogSnapshot:
    return CatalogSnapshot(number=1, entities=tuple(map(entity, entity_ids)), rows=())


def test_it_is_what_was_played_or_rated_well_newest_first() -> None:
    steps = StepColumns.of(
        [
            step("played", Action.PLAY_FEATURE),
            step("rated-well", Action.RATE, 3.5),
            step("rated-badly", Action.RATE, 3.0),
            step("clicked", Action.CLICK),
            step("not-in-catalog", Action.PLAY_FEATURE),
            step("hidden", Action.PLAY_FEATURE),
        ]
    )
    known = catalog("played", "rated-well", "rated-badly", "clicked", "hidden")
    assert because_arguments(steps, {"hidden"}, known) == ("rated-well", "played")


def test_the_newest_judgement_of_an_entity_counts() -> None:
    steps = [step("a", Action.PLAY_FEATURE), step("a", Action.RATE, 1.0), step("a", Action.CLICK)]
    assert because_arguments(StepColumns.of(steps), (), catalog("a")) == ()


def test_arguments_are_bounded() -> None:
    ids = [f"m{i}" for i in range(BECAUSE_ARGUMENTS_MAX + 5)]
    steps = StepColumns.of([step(i, Action.PLAY_FEATURE) for i in ids])
    assert list(because_arguments(steps, (), catalog(*ids))) == ids[:4:-1]
