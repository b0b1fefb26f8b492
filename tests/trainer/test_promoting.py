"""Which model serves after a training: the first one, and those the gate lets through."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from factories_databases import migrated
from structlog.testing import capture_logs

from pagecast.featurestore.models.records import CHAMPION
from pagecast.featurestore.models.registry import Registry
from pagecast.featurestore.models.verdicts import Criterion, Verdict
from pagecast.trainer.job import TrainOutcome
from pagecast.trainer.promoting import promote


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    engine = migrated(f"sqlite:///{tmp_path / 'pagecast.db'}")
    made = Registry(engine)
    for version in ("v0", "v1"):
        made.register(version, parent_version=None, metrics={}, data={})
    yield made
    engine.dispose()


def outcome(*, passed: bool, champion: str | None = "v0") -> TrainOutcome:
    criterion = Criterion(name="keeps_rules", passed=passed, told="")
    verdict = Verdict(champion=champion, judged_at_ms=0, criteria=(criterion,))
    return TrainOutcome(version="v1", bundle=Path("v1"), metrics={}, quality=None, verdict=verdict)


def test_the_first_model_serves_though_the_gate_refuses_it(registry: Registry) -> None:
    refused = outcome(passed=False, champion=None)
    assert refused.verdict is not None
    registry.judge("v1", refused.verdict)
    promote(registry, refused, "somebody", "because")
    (move,) = registry.moves(CHAMPION)
    (move,) = registry.moves(CHAMPION)
    assert (move.version, move.moved_by) == ("v1", "somebody")
    assert move.note == "the first model; because"


@pytest.mark.parametrize(("passed", "serves"), [(True, "v1"), (False, "v0")])
def test_a_later_one_serves_if_the_gate_lets_it(
    registry: Registry, *, passed: bool, serves: str
) -> None:
    registry.promote("v0", by="ada")
    promote(registry, outcome(passed=passed), "somebody", "because")
    assert registry.version_of(CHAMPION) == serves


def test_who_was_compared_with_another_is_told_to_wait(registry: Registry) -> None:
    registry.promote("v0", by="ada")
    with capture_logs() as logs:
        promote(registry, outcome(passed=True, champion="before"), "somebody", "because")
    assert registry.version_of(CHAMPION) == "v0"
    assert [log["event"] for log in logs] == ["not_promoted"]
