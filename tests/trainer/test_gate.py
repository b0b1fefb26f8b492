"""The gate: each criterion lets a good model through and holds a bad one back."""

import dataclasses
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from engine.multi_stage.factories_multi_stage import tables_of, write_multi_stage
from factories import START_MS, movie, play, upsert
from trainer.factories_trainer import (
    DAY_MS,
    HOUR_MS,
    SMALL,
    catalog_changes,
    logged,
    walk,
    write_state,
)

from pagecast.engine.page_events import EntityChosen, PageEnded, PageEvent, RowBegun
from pagecast.featurestore.models.records import ModelRecord
from pagecast.featurestore.models.verdicts import Criterion, Verdict
from pagecast.featurestore.state import StatePaths
from pagecast.trainer import gate
from pagecast.trainer.data.snapshot import Source
from pagecast.trainer.evaluation.figures.intervals import Difference, Interval
from pagecast.trainer.evaluation.protocols.next_slice import Quality, quality_on, slice_plan
from pagecast.trainer.evaluation.protocols.requests import Plan
from pagecast.trainer.evaluation.systems.trained_system import TrainedSystem
from pagecast.trainer.gate import Rival, judge
from pagecast.trainer.job import Trained, TrainOutcome
from pagecast.trainer.multi_stage.config import MultiStageConfig
from pagecast.trainer.multi_stage.train import fit_baseline, write_baseline
from pagecast.trainer.network.model import PageModel
from pagecast.v1 import homepage_pb2

Outcome = tuple[TrainOutcome, list[str], StatePaths]

QUICK = MultiStageConfig(regularisations=(10.0,), halves=(1.0,), examples_max=60, candidates_max=20)

CRITERIA = [
    "enough_asked",
    "not_worse_than_champion",
    "above_popularity",
    "graphs_equal_torch",
    "covers_catalog",
    "keeps_rules",
]


@pytest.fixture(autouse=True)
def _few_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "PAGES", 3)


@pytest.fixture(scope="module")
def plan(world: StatePaths, trained: Trained) -> Plan:
    snapshot = Source(paths=world).read(known=trained.positions)
    return slice_plan(snapshot.catalog, snapshot.users)


@pytest.fixture
def quality(outcome: Outcome) -> Quality:
    assert outcome[0].quality is not None
    return outcome[0].quality


def untrained(trained: Trained) -> PageModel:
    torch.manual_seed(0)
    return PageModel(SMALL.model, trained.vocabulary).eval()


def criterion(verdict: Verdict, name: str) -> Criterion:
    return next(c for c in verdict.criteria if c.name == name)


def asked(bundle: Path, quality: Quality, plan: Plan, rival: Rival | None = None) -> Verdict:
    return judge(bundle, quality, plan, rival or Rival(), SMALL.gate_users_min)


def registered(bundle: Path) -> ModelRecord:
    return ModelRecord(
        version="v1",
        bundle=Path(bundle.name),
        parent_version=None,
        created_at_ms=0,
        metrics={},
        data={},
        aliases=(),
    )


def over(mean: float, low: float, high: float) -> Difference:
    return Difference(mean=mean, interval=Interval(low=low, high=high))


def test_a_first_model_that_has_learned_passes(outcome: Outcome) -> None:
    verdict = outcome[0].verdict
    assert verdict is not None
    assert [c.name for c in verdict.criteria] == CRITERIA
    assert verdict.passed, verdict
    assert verdict.champion is None


def test_a_better_model_is_let_through_and_a_worse_one_is_not(
    outcome: Outcome, plan: Plan, trained: Trained
) -> None:
    good, poor = trained.model, untrained(trained)
    for ours, theirs, passes in ((good, poor, True), (poor, good, False), (good, good, True)):
        rival = Rival(version="v1", system=TrainedSystem(theirs, trained.vocabulary))
        quality = quality_on(plan, ours, trained.vocabulary, rival.system)
        verdict = asked(outcome[0].bundle, quality, plan, rival)
        found = criterion(verdict, "not_worse_than_champion")
        assert found.passed is passes, found.told
        assert "95 % interval" in found.told


def test_a_baseline_that_serves_is_compared_by_its_entity_ranker(
    outcome: Outcome, plan: Plan, trained: Trained, world: StatePaths, tmp_path: Path
) -> None:
    """Not by nothing: then no generative model would ever replace it."""
    snapshot = Source(paths=world).read(until=trained.positions)
    fitted = write_baseline(tmp_path, fit_baseline(snapshot, QUICK), snapshot, QUICK)
    blind = tables_of([e.entity_id for e in snapshot.catalog.entities], entity={"unknown": 1.0})
    strong, weak = tmp_path / fitted.version, write_multi_stage(tmp_path, blind)
    good, poor = trained.model, untrained(trained)
    for ours, theirs, passes in ((good, weak, True), (poor, strong, False)):
        rival = Rival.of(registered(theirs), tmp_path)
        quality = quality_on(plan, ours, trained.vocabulary, rival.system)
        found = criterion(asked(outcome[0].bundle, quality, plan, rival), "not_worse_than_champion")
        assert found.passed is passes, found.told
        assert found.told.endswith("to the entity ranker of v1, a multi-stage baseline")


@pytest.mark.parametrize(
    ("difference", "passes"),
    [
        (over(-0.01, -0.03, 0.001), True),
        (over(-0.01, -0.03, -0.001), False),
        (over(0.02, 0.01, 0.03), True),
    ],
)
def test_worse_within_the_interval_is_not_worse(
    outcome: Outcome, quality: Quality, plan: Plan, difference: Difference, passes: bool
) -> None:
    compared = dataclasses.replace(quality, over_champion=difference)
    verdict = asked(outcome[0].bundle, compared, plan, Rival(version="v1"))
    assert criterion(verdict, "not_worse_than_champion").passed is passes


@pytest.mark.parametrize(
    ("targets", "users", "told"),
    [
        (1, 1, "1 target of 1 user; 30 users are needed: hold out more, or wait"),
        (900, 29, "900 targets of 29 users; 30 users are needed: hold out more, or wait"),
        (30, 30, "30 targets of 30 users"),
    ],
)
def test_a_slice_of_few_users_lets_nothing_through(
    outcome: Outcome, quality: Quality, plan: Plan, targets: int, users: int, told: str
) -> None:
    """Of one user's answers every resample is the same: an interval of no width."""
    few = dataclasses.replace(quality, targets=targets, users=users)
    verdict = judge(outcome[0].bundle, few, plan, Rival(), users_min=30)
    found = criterion(verdict, "enough_asked")
    assert found.told == told
    assert verdict.passed is found.passed is (users >= 30)


def test_a_model_below_popularity_is_held_back(
    outcome: Outcome, quality: Quality, plan: Plan
) -> None:
    below = dataclasses.replace(quality, over_popularity=over(-0.001, -0.01, 0.01))
    verdict = asked(outcome[0].bundle, below, plan)
    assert not verdict.passed
    assert [c.name for c in verdict.criteria if not c.passed] == ["above_popularity"]


def test_a_champion_that_cannot_be_read_leaves_the_decision_to_people(
    outcome: Outcome, quality: Quality, plan: Plan, tmp_path: Path
) -> None:
    copy = shutil.copytree(outcome[0].bundle, tmp_path / "damaged")
    (copy / "checkpoint.safetensors").write_bytes(b"cut short")
    rival = Rival.of(registered(copy), tmp_path)
    assert rival.system is None
    verdict = asked(outcome[0].bundle, quality, plan, rival)
    found = criterion(verdict, "not_worse_than_champion")
    assert not found.passed
    assert "checkpoint.safetensors" in found.told


@pytest.mark.parametrize("file", ["decode.onnx", "decode_int8.onnx", "checkpoint.safetensors"])
def test_a_bundle_that_was_altered_after_its_export_is_held_back(
    outcome: Outcome, quality: Quality, plan: Plan, tmp_path: Path, file: str
) -> None:
    """In whatever file: a server does not read them all."""
    copy = shutil.copytree(outcome[0].bundle, tmp_path / "altered")
    data = bytearray((copy / file).read_bytes())
    data[-1] ^= 1
    (copy / file).write_bytes(data)
    found = criterion(asked(copy, quality, plan), "graphs_equal_torch")
    assert not found.passed
    assert f"{file}: altered" in found.told


@pytest.mark.parametrize(("watched", "passes"), [(0, True), (10, False)])
def test_a_model_that_has_not_met_much_of_what_people_choose_is_held_back(
    outcome: Outcome, quality: Quality, tmp_path: Path, watched: int, passes: bool
) -> None:
    """A catalog may hold what nobody watches."""
    new = [upsert(movie(f"new{i}", "Drama", released_ms=START_MS)) for i in range(10)]
    late_ms = START_MS + 3 * DAY_MS
    premieres = [play("u1", f"new{i}", late_ms + i * HOUR_MS) for i in range(watched)]
    events = logged([*walk(1), *walk(2), *premieres])
    paths = write_state(tmp_path / "state", events, [*catalog_changes(), *new])
    snapshot = Source(paths=paths).read(known={("log", 0): 10})
    verdict = asked(outcome[0].bundle, quality, slice_plan(snapshot.catalog, snapshot.users))
    found = criterion(verdict, "covers_catalog")
    assert found.passed is passes, found.told


def test_a_page_that_breaks_a_rule_holds_the_model_back(
    outcome: Outcome, quality: Quality, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    def twice(_: object) -> Iterator[PageEvent]:
        yield RowBegun(row_position=0, row=0, argument=-1, log_probability=0.0)
        for position in range(2):
            yield EntityChosen(
                row_position=0, entity_position=position, entity=7, log_probability=0.0
            )
        yield PageEnded(
            rows=1,
            finish_reason=homepage_pb2.FINISH_REASON_ROWS,
            rows_cut_short=0,
            near_ties=0,
            runs=1,
        )

    def pages_of(_: object) -> Callable[[object], Iterator[PageEvent]]:
        return twice

    monkeypatch.setattr(gate, "pages_of", pages_of)
    found = criterion(asked(outcome[0].bundle, quality, plan), "keeps_rules")
    assert not found.passed
    assert found.told.startswith("0 of 3 pages keep every rule; ")
