import os
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from pagecast.featurestore.models.bundle_room import UNFINISHED, VERSIONS_KEPT_MIN, free_bundles
from pagecast.featurestore.models.records import ModelFreed
from pagecast.featurestore.models.registry import Registry


def publish(registry: Registry, bundles: Path, *versions: str) -> None:
    for version in versions:
        (bundles / version).mkdir(parents=True)
        (bundles / version / "manifest.json").write_text(version)
        registry.register(version, parent_version=None, metrics={}, data={})


def names(bundles: Path) -> list[str]:
    return sorted(path.name for path in bundles.iterdir())


def test_the_newest_and_what_may_still_serve_are_kept(engine: sa.Engine, tmp_path: Path) -> None:
    registry = Registry(engine)
    publish(registry, tmp_path / "b", *(f"v{i}" for i in range(8)))
    for champion in ("v0", "v1", "v2"):
        registry.promote(champion, by="ada")
    assert set(free_bundles(registry, tmp_path / "b", VERSIONS_KEPT_MIN)) == {"v0", "v3", "v4"}
    assert names(tmp_path / "b") == ["v1", "v2", "v5", "v6", "v7"]
    assert registry.get("v0").freed_at_ms is not None
    assert registry.get("v1").freed_at_ms is None
    assert free_bundles(registry, tmp_path / "b", VERSIONS_KEPT_MIN) == ()


def test_what_was_freed_can_neither_be_promoted_nor_rolled_back_to(
    engine: sa.Engine, tmp_path: Path
) -> None:
    registry = Registry(engine)
    publish(registry, tmp_path, *(f"v{i}" for i in range(6)))
    for champion in ("v0", "v1", "v2"):
        registry.promote(champion, by="ada")
    free_bundles(registry, tmp_path, VERSIONS_KEPT_MIN)
    with pytest.raises(ModelFreed, match="v0 was removed to make room"):
        registry.promote("v0", by="ada")
    assert registry.rollback(by="ada").version == "v1"
    with pytest.raises(ModelFreed, match="v0 was removed"):
        registry.rollback(by="ada")


def test_a_bundle_that_is_published_again_may_serve_again(
    sqlite_engine: sa.Engine, tmp_path: Path
) -> None:
    registry = Registry(sqlite_engine)
    publish(registry, tmp_path, *(f"v{i}" for i in range(5)))
    free_bundles(registry, tmp_path, VERSIONS_KEPT_MIN)
    publish(registry, tmp_path, "v0")
    assert registry.promote("v0", by="ada").freed_at_ms is None


def test_leftovers_of_killed_exports_go_and_exports_that_run_stay(
    sqlite_engine: sa.Engine, tmp_path: Path
) -> None:
    bundles = tmp_path / "b"
    old, new = bundles / f"{UNFINISHED}old", bundles / f"{UNFINISHED}new"
    for folder in (old, new):
        folder.mkdir(parents=True)
    os.utime(old, (time.time() - 7200, time.time() - 7200))
    free_bundles(Registry(sqlite_engine), bundles, VERSIONS_KEPT_MIN)
    assert names(bundles) == [new.name]


def test_fewer_than_three_are_refused(sqlite_engine: sa.Engine, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="keep is 2, must be at least 3"):
        free_bundles(Registry(sqlite_engine), tmp_path, 2)
