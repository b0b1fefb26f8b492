"""From the offline log to a registered multi-stage baseline: the life of a model, for a rival.

Letters: X interactions, C entities of EASE.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import structlog

from pagecast.engine.bundles.manifest import MANIFEST_FILE, bundle_version
from pagecast.engine.bundles.sealed import FileDigest
from pagecast.engine.multi_stage.candidates import Candidates
from pagecast.engine.multi_stage.manifest import MULTI_STAGE, MultiStageManifest
from pagecast.engine.multi_stage.tables import MultiStageTables
from pagecast.featurestore.database import connect, migrate
from pagecast.featurestore.models.registry import Registry
from pagecast.featurestore.offline import NextOffsets
from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.trainer.code_version import code_version
from pagecast.trainer.data.snapshot import NothingToTrainError, Snapshot, Source
from pagecast.trainer.evaluation.errors import EvaluationError
from pagecast.trainer.evaluation.protocols.interactions import Interactions, interactions_of
from pagecast.trainer.export.bundle import publish
from pagecast.trainer.multi_stage.co_occurrence import Counted, counted
from pagecast.trainer.multi_stage.config import MultiStageConfig
from pagecast.trainer.multi_stage.examples import drawn, examples
from pagecast.trainer.multi_stage.rankers import (
    Ranked,
    prior_tables,
    tested,
    with_entity_ranker,
    with_row_ranker,
)
from pagecast.trainer.starts.base import told_positions

_log = structlog.get_logger(__name__)

Told = Callable[[str], None]
"""Told what is being done."""

DEFAULT = MultiStageConfig()


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """A trained baseline that is not yet a bundle."""

    tables: MultiStageTables
    ranked: Ranked
    regularisation: float
    interactions: int


def train_baseline(
    source: Source,
    until: NextOffsets | None = None,
    config: MultiStageConfig = DEFAULT,
    told: Told = lambda _: None,
) -> MultiStageManifest:
    """Trains on the log up to `until`, publishes the bundle, registers it as MULTI_STAGE.

    The challenger stays the same: a baseline is compared with, not promoted. Raises
    NothingToTrainError.
    """
    told("reading the feature store")
    snapshot = source.read(until=until)
    baseline = fit_baseline(snapshot, config, told)
    manifest = write_baseline(source.paths.bundles, baseline, snapshot, config)
    _register(source, manifest)
    _log.info("baseline_trained", version=manifest.version, **manifest.metrics)
    return manifest


def _register(source: Source, manifest: MultiStageManifest) -> None:
    engine = connect(source.database_url or source.paths.database_url)
    try:
        migrate(engine)
        Registry(engine).register(
            manifest.version,
            parent_version=None,
            metrics=manifest.metrics,
            data=manifest.data,
            code_version=code_version(),
            config=manifest.config,
            alias=MULTI_STAGE,
        )
    finally:
        engine.dispose()


def fit_baseline(
    snapshot: Snapshot, config: MultiStageConfig = DEFAULT, told: Told = lambda _: None
) -> Baseline:
    """Raises NothingToTrainError."""
    try:
        data = interactions_of(snapshot.users, snapshot.catalog)
    except EvaluationError as error:
        raise NothingToTrainError(str(error)) from error
    order_X = data.in_time_order()
    early = max(1, round(len(order_X) * (1.0 - config.ranked_share)))
    drawn_X = drawn(data, order_X[early:].tolist(), config)
    # Split before anything is chosen: what is chosen by a test is not tested by it.
    kept = round(len(drawn_X) * (1.0 - config.tested_share))
    learned_X, tested_X = drawn_X[:kept], drawn_X[kept:]
    told("choosing EASE's weights")
    before = counted(data, np.sort(order_X[:early]), config.count_half_life_days)
    regularisation, half = _chosen(data, before, learned_X, config)
    tables = _tables(data, before, regularisation, half)
    told("teaching the rankers")
    tables, ranked = _ranked(data, tables, learned_X, tested_X, config)
    told("fitting EASE on everything")
    whole = counted(data, np.arange(len(data)), config.count_half_life_days)
    final = _tables(data, whole, regularisation, half)
    return Baseline(
        tables=replace(
            final, entity_ranker_F=tables.entity_ranker_F, row_ranker_G=tables.row_ranker_G
        ),
        ranked=ranked,
        regularisation=regularisation,
        interactions=len(data),
    )


def write_baseline(
    bundles: Path, baseline: Baseline, snapshot: Snapshot, config: MultiStageConfig
) -> MultiStageManifest:
    """Publishes `bundles/<version>`, whole or not at all."""
    files = baseline.tables.to_files()
    digests = {name: FileDigest.of(data) for name, data in files.items()}
    manifest = MultiStageManifest(
        version=bundle_version(digests),
        created_at=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        files=digests,
        data={
            "kind": MULTI_STAGE,
            "positions": told_positions(snapshot.positions),
            "catalog_number": snapshot.catalog.number,
            "users": len(snapshot.users),
            "steps": snapshot.steps,
            "interactions": baseline.interactions,
        },
        metrics=baseline.ranked.metrics(),
        config={
            **config.to_json(),
            "regularisation": baseline.regularisation,
            "history_half": baseline.tables.history_half,
        },
    )
    publish(bundles / manifest.version, {**files, MANIFEST_FILE: manifest.seal()})
    return manifest


def _chosen(
    data: Interactions, before: Counted, learned_X: tuple[int, ...], config: MultiStageConfig
) -> tuple[float, float]:
    """The regularisation and the half with which EASE alone ranks the examples best."""
    best = (-1.0, config.regularisations[0], config.halves[0])
    for regularisation in config.regularisations:
        weight_CC = before.weights(regularisation)
        for half in config.halves:
            gain = _ease_gain(data, before, weight_CC, half, learned_X)
            best = max(best, (gain, regularisation, half))
    return best[1], best[2]


def _ease_gain(
    data: Interactions,
    before: Counted,
    weight_CC: npt.NDArray[np.float32],
    half: float,
    learned_X: tuple[int, ...],
) -> float:
    """Sum of NDCG@10 over the examples' entities, among those their users have not met."""
    column = {entity: c for c, entity in enumerate(before.entity_C.tolist())}
    total = 0.0
    for x in learned_X:
        chosen = column.get(int(data.entity_X[x]))
        earlier = data.entity_X[int(data.begin_U[data.user_X[x]]) : x][::-1].tolist()
        column_H = [column[entity] for entity in dict.fromkeys(earlier) if entity in column]
        if chosen is None or not column_H or chosen in column_H:
            continue
        weight_H = 0.5 ** (np.arange(len(column_H)) / half)
        score_C = weight_H @ weight_CC[column_H]
        score_C[column_H] = -np.inf
        rank = int((score_C >= score_C[chosen]).sum()) - 1
        total += 1.0 / np.log2(rank + 2) if rank < 10 else 0.0
    return total


def _tables(
    data: Interactions, counts: Counted, regularisation: float, half: float
) -> MultiStageTables:
    entity_ids = tuple(data.entities[entity] for entity in counts.entity_C.tolist())
    return prior_tables(entity_ids, counts.weights(regularisation), counts.count_C, half)


def _ranked(
    data: Interactions,
    tables: MultiStageTables,
    learned_X: tuple[int, ...],
    tested_X: tuple[int, ...],
    config: MultiStageConfig,
) -> tuple[MultiStageTables, Ranked]:
    """Tables with rankers, and how good they are on the newest examples, kept from them."""
    catalog = CompiledCatalog(data.catalog)
    for taught in (with_entity_ranker, with_row_ranker):
        candidates = Candidates(tables, data.catalog)
        tables = taught(candidates, examples(data, catalog, learned_X, config), config)
    candidates = Candidates(tables, data.catalog)
    return tables, tested(candidates, examples(data, catalog, tested_X, config))
