"""Experiments are started and stopped beside the registry whose aliases are their arms."""

import pytest
import sqlalchemy as sa

from pagecast.featurestore.experiments.assignment import Arm, ExperimentInvalid
from pagecast.featurestore.experiments.store import (
    RUNNING_MAX,
    Experiments,
    ExperimentUnknown,
)
from pagecast.featurestore.models.records import ModelUnknown
from pagecast.featurestore.models.registry import Registry

HALVES = (Arm(alias="rival", share=0.5), Arm(alias="champion", share=0.5))


@pytest.fixture
def experiments(sqlite_engine: sa.Engine) -> Experiments:
    return with_rival(sqlite_engine)


def with_rival(engine: sa.Engine) -> Experiments:
    """Experiments of a registry with a champion and a rival to try."""
    registry = Registry(engine)
    for version in ("v1", "v2"):
        registry.register(version, parent_version=None, metrics={}, data={})
    registry.promote("v1", by="test")
    registry.point("rival", "v2", by="test")
    return Experiments(engine)


def test_what_is_started_runs_until_it_is_stopped(engine: sa.Engine) -> None:
    experiments = with_rival(engine)
    one = experiments.start("one", HALVES)
    two = experiments.start("two", HALVES, control="rival", outcome_ms=7)
    assert experiments.running() == (one, two)
    assert experiments.list() == (two, one)
    assert (one.control, one.treatments) == ("champion", ("rival",))
    assert (two.control, two.outcome_ms) == ("rival", 7)
    assert one.salt != two.salt
    stopped = experiments.stop("one")
    assert stopped.stopped_at_ms is not None
    assert experiments.stop("one") == stopped == experiments.get("one")
    assert experiments.running() == (two,)


def test_a_name_is_taken_for_ever(experiments: Experiments) -> None:
    experiments.start("one", HALVES)
    experiments.stop("one")
    with pytest.raises(ExperimentInvalid, match="name: 'one' is taken"):
        experiments.start("one", HALVES)


def test_an_arm_is_an_alias_of_the_registry(experiments: Experiments) -> None:
    arms = (*HALVES[:1], Arm(alias="nobody", share=0.1))
    with pytest.raises(ExperimentInvalid, match="arms: no model has the alias nobody"):
        experiments.start("one", arms)
    assert experiments.list() == ()


def test_one_too_many_is_refused(experiments: Experiments) -> None:
    for number in range(RUNNING_MAX):
        experiments.start(f"e{number}", HALVES)
    with pytest.raises(ExperimentInvalid, match="stop one first"):
        experiments.start("more", HALVES)


def test_an_unknown_experiment_is_told(experiments: Experiments) -> None:
    for ask in (experiments.get, experiments.stop):
        with pytest.raises(ExperimentUnknown, match="no experiment 'x'"):
            ask("x")


def test_an_alias_of_one_s_own_points_where_it_is_told(
    sqlite_engine: sa.Engine, experiments: Experiments
) -> None:
    registry = Registry(sqlite_engine)
    assert registry.point("rival", "v1", by="ada").aliases == ("champion", "rival")
    assert [move.version for move in registry.moves("rival")] == ["v1", "v2"]
    with pytest.raises(ModelUnknown):
        registry.point("rival", "v9", by="ada")
    for alias in ("champion", "challenger", "A B"):
        with pytest.raises(ValueError, match="alias"):
            registry.point(alias, "v1", by="ada")
