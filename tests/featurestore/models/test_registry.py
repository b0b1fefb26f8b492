from pathlib import Path

import pytest
import sqlalchemy as sa

from pagecast.featurestore.models.records import (
    CHALLENGER,
    CHAMPION,
    ChampionMoved,
    GateNotPassed,
    ModelUnknown,
    NoPredecessor,
)
from pagecast.featurestore.models.registry import Registry
from pagecast.featurestore.models.verdicts import Criterion, Verdict
from pagecast.featurestore.tables import NOTE_CHARACTERS_MAX


def register(registry: Registry, *versions: str) -> None:
    for version in versions:
        registry.register(version, parent_version=None, metrics={}, data={})


def champion(registry: Registry) -> str | None:
    record = registry.resolve(CHAMPION)
    return record.version if record else None


def test_a_registered_bundle_is_the_challenger(engine: sa.Engine) -> None:
    registry = Registry(engine)
    record = registry.register(
        "abc123", parent_version="abc122", metrics={"ndcg_at_10": 0.25}, data={"events": 7}
    )
    assert (record.version, record.bundle) == ("abc123", Path("abc123"))
    assert (record.parent_version, record.aliases) == ("abc122", (CHALLENGER,))
    assert (record.metrics, record.data) == ({"ndcg_at_10": 0.25}, {"events": 7})
    assert registry.get("abc123") == record == registry.resolve(CHALLENGER)
    assert registry.resolve(CHAMPION) is None


def test_registering_again_changes_nothing(engine: sa.Engine) -> None:
    registry = Registry(engine)
    register(registry, "v1")
    registry.promote("v1", by="ada")
    again = registry.register("v1", parent_version="v0", metrics={"x": 1.0}, data={})
    assert again == registry.get("v1")
    assert (again.parent_version, again.aliases) == (None, (CHAMPION,))


def test_promotion_moves_the_alias(engine: sa.Engine) -> None:
    registry = Registry(engine)
    register(registry, "v1", "v2")
    assert registry.promote("v1", by="ada").aliases == (CHAMPION,)
    assert registry.resolve(CHALLENGER) == registry.get("v2")
    assert (registry.version_of(CHAMPION), registry.version_of(CHALLENGER)) == ("v1", "v2")
    assert registry.promote("v2", by="ada").aliases == (CHAMPION,)
    assert (registry.version_of(CHAMPION), registry.version_of(CHALLENGER)) == ("v2", None)
    assert registry.get("v1").aliases == ()
    assert registry.resolve(CHALLENGER) is None


def test_rollback_goes_back_one_promotion_at_a_time(engine: sa.Engine) -> None:
    registry = Registry(engine)
    register(registry, "v1", "v2", "v3")
    for version in ("v1", "v2", "v2", "v3"):
        registry.promote(version, by="ada")
    assert registry.rollback(by="bob").version == "v2"
    assert registry.rollback(by="bob").version == "v1"
    with pytest.raises(NoPredecessor, match="v1 is the first"):
        registry.rollback(by="bob")
    registry.promote("v3", by="ada")
    assert registry.rollback(by="bob").version == champion(registry) == "v1"


def test_a_rollback_that_names_what_is_to_go_can_be_repeated(engine: sa.Engine) -> None:
    registry = Registry(engine)
    register(registry, "v1", "v2", "v3")
    for version in ("v1", "v2", "v3"):
        registry.promote(version, by="ada")
    for _ in range(3):
        assert registry.rollback(by="bob", from_version="v3").version == "v2"
    assert [move.reason for move in registry.moves(CHAMPION)].count("rollback") == 1
    with pytest.raises(ModelUnknown, match="'v9'"):
        registry.rollback(by="bob", from_version="v9")
    assert champion(registry) == "v2"


def test_rollback_without_a_champion_is_refused(engine: sa.Engine) -> None:
    with pytest.raises(NoPredecessor, match="promote one first"):
        Registry(engine).rollback(by="bob")


def test_every_move_is_kept(engine: sa.Engine) -> None:
    registry = Registry(engine)
    register(registry, "v1", "v2")
    registry.promote("v1", by="ada")
    registry.promote("v2", by="bob")
    registry.rollback(by="cyd")
    moves = [(m.version, m.moved_by, m.reason) for m in registry.moves(CHAMPION)]
    assert moves == [
        ("v1", "cyd", "rollback"),
        ("v2", "bob", "promote"),
        ("v1", "ada", "promote"),
    ]
    assert [m.version for m in registry.moves(CHALLENGER)] == [None, "v2", "v1"]


def test_an_unknown_model_is_refused(engine: sa.Engine) -> None:
    registry = Registry(engine)
    with pytest.raises(ModelUnknown, match="'v9'"):
        registry.get("v9")
    with pytest.raises(ModelUnknown, match="models list"):
        registry.promote("v9", by="ada")


def test_models_are_listed_newest_first(engine: sa.Engine) -> None:
    registry = Registry(engine)
    register(registry, "v1", "v2", "v3")
    assert [record.version for record in registry.list()] == ["v3", "v2", "v1"]
    assert [record.version for record in registry.list(limit=2)] == ["v3", "v2"]


@pytest.mark.parametrize("version", ["", "../v1", "a/b", ".hidden", "x" * 65])
def test_a_version_that_is_no_directory_name_is_refused(
    sqlite_engine: sa.Engine, version: str
) -> None:
    with pytest.raises(ValueError, match="version"):
        register(Registry(sqlite_engine), version)


def test_metrics_that_are_not_finite_are_refused(sqlite_engine: sa.Engine) -> None:
    with pytest.raises(ValueError, match="metrics: loss must be finite"):
        Registry(sqlite_engine).register(
            "v1", parent_version=None, metrics={"loss": float("nan")}, data={}
        )


def verdict(*, passed: bool) -> Verdict:
    criterion = Criterion(name="keeps_rules", passed=passed, told="200 of 200 pages")
    return Verdict(champion=None, judged_at_ms=5, criteria=(criterion,))


def test_a_model_tells_where_it_came_from(engine: sa.Engine) -> None:
    registry = Registry(engine)
    registry.register(
        "v2",
        parent_version="v1",
        metrics={},
        data={"positions": [1]},
        code_version="0.1.0+src.12345678",
        config={"epochs": 3.0},
    )
    record = registry.get("v2")
    assert (record.parent_version, record.code_version) == ("v1", "0.1.0+src.12345678")
    assert (record.data, record.config) == ({"positions": [1]}, {"epochs": 3.0})


def test_a_verdict_is_kept_with_the_model(engine: sa.Engine) -> None:
    registry = Registry(engine)
    register(registry, "v1")
    assert registry.get("v1").verdict is None
    assert registry.judge("v1", verdict(passed=True)).verdict == verdict(passed=True)
    registry.judge("v1", verdict(passed=False))
    assert registry.get("v1").verdict == verdict(passed=False)
    with pytest.raises(ModelUnknown):
        registry.judge("v9", verdict(passed=True))


def test_what_the_gate_refuses_is_promoted_only_by_force_and_that_is_kept(
    engine: sa.Engine,
) -> None:
    registry = Registry(engine)
    register(registry, "v1", "v2")
    registry.promote("v1", by="ada")
    registry.judge("v2", verdict(passed=False))
    with pytest.raises(GateNotPassed, match="models show v2"):
        registry.promote("v2", by="ada")
    assert champion(registry) == "v1"
    registry.promote("v2", by="bob", forced=True, note="the slice was a holiday")
    newest = registry.moves(CHAMPION)[0]
    assert (newest.version, newest.moved_by, newest.forced) == ("v2", "bob", True)
    assert newest.note == "the slice was a holiday"


def test_a_model_takes_the_place_of_the_one_it_was_compared_with_alone(engine: sa.Engine) -> None:
    registry = Registry(engine)
    register(registry, "v1", "v2", "v3")
    with pytest.raises(ChampionMoved, match="none serves by now, and v1 was compared with v2"):
        registry.promote("v1", by="gate", instead_of="v2")
    registry.promote("v1", by="gate", instead_of="")
    registry.promote("v2", by="gate", instead_of="v1")
    for before in ("v1", ""):
        with pytest.raises(ChampionMoved, match="v2 serves by now"):
            registry.promote("v3", by="gate", instead_of=before)
    assert registry.promote("v2", by="gate", instead_of="v1").aliases == (CHAMPION,), "as it was"
    assert registry.get("v3").aliases == (CHALLENGER,)


def test_force_that_was_not_needed_is_not_recorded_as_such(engine: sa.Engine) -> None:
    registry = Registry(engine)
    register(registry, "v1", "v2")
    registry.judge("v1", verdict(passed=True))
    for version in ("v1", "v2"):
        registry.promote(version, by="ada", forced=True)
    assert [move.forced for move in registry.moves(CHAMPION)] == [False, False]


def test_a_note_that_is_too_long_is_refused_by_name(sqlite_engine: sa.Engine) -> None:
    registry = Registry(sqlite_engine)
    register(registry, "v1")
    with pytest.raises(ValueError, match="note: at most 1024"):
        registry.promote("v1", by="ada", note="x" * (NOTE_CHARACTERS_MAX + 1))
