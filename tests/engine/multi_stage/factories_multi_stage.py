"""Multi-stage baselines of known weights, and their bundles on disk."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pagecast.engine.bundles.manifest import MANIFEST_FILE, bundle_version
from pagecast.engine.bundles.sealed import FileDigest
from pagecast.engine.multi_stage.bundle import MultiStageBundle
from pagecast.engine.multi_stage.features import ENTITY_FEATURES, ROW_FEATURES
from pagecast.engine.multi_stage.manifest import MultiStageManifest
from pagecast.engine.multi_stage.tables import MultiStageTables


def tables_of(
    entity_ids: Sequence[str],
    *,
    together: dict[tuple[str, str], float] | None = None,
    counts: dict[str, float] | None = None,
    entity: dict[str, float] | None = None,
    row: dict[str, float] | None = None,
) -> MultiStageTables:
    """`together` is EASE's weight from the first to the second; rankers have these weights only."""
    at = {entity_id: c for c, entity_id in enumerate(entity_ids)}
    weight_CC = np.zeros((len(at), len(at)), np.float32)
    for (source, target), weight in (together or {}).items():
        weight_CC[at[source], at[target]] = weight
    return MultiStageTables(
        entity_ids=tuple(entity_ids),
        weight_CC=weight_CC,
        count_C=np.array([(counts or {}).get(e, 0.0) for e in entity_ids], np.float32),
        entity_ranker_F=_vector(ENTITY_FEATURES, entity or {"ease": 10.0, "log_count": 1.0}),
        row_ranker_G=_vector(ROW_FEATURES, row or {"log_hit": 1.0}),
        history_half=5.0,
    )


def bundle_of(tables: MultiStageTables) -> MultiStageBundle:
    return MultiStageBundle(manifest=_manifest(tables.to_files()), tables=tables)


def write_multi_stage(bundles: Path, tables: MultiStageTables) -> Path:
    files = tables.to_files()
    manifest = _manifest(files)
    folder = bundles / manifest.version
    folder.mkdir(parents=True)
    for name, data in {**files, MANIFEST_FILE: manifest.seal()}.items():
        (folder / name).write_bytes(data)
    return folder


def _manifest(files: dict[str, bytes]) -> MultiStageManifest:
    digests = {name: FileDigest.of(data) for name, data in files.items()}
    return MultiStageManifest(
        version=bundle_version(digests), created_at="2026-01-01T00:00:00Z", files=digests
    )


def _vector(names: Sequence[str], values: dict[str, float]) -> np.ndarray:  # type: ignore[type-arg]
    return np.array([values.get(name, 0.0) for name in names], np.float32)
