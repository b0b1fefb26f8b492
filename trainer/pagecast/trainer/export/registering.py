"""Steps 6 to 8 of a model's life: its embeddings' axes, its bundle, its row in the registry."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
from pydantic import JsonValue

from pagecast.engine.errors import BundleError
from pagecast.featurestore.database import connect, migrate
from pagecast.featurestore.models.records import ModelUnknown
from pagecast.featurestore.models.registry import Registry
from pagecast.trainer.code_version import code_version
from pagecast.trainer.data.snapshot import Source
from pagecast.trainer.evaluation.protocols.forgetting import forgetting
from pagecast.trainer.evaluation.protocols.next_slice import Quality
from pagecast.trainer.export.bundle import BundleFacts, write_bundle
from pagecast.trainer.export.refilling import Former
from pagecast.trainer.export.release import Before, Stabilised, stabilise
from pagecast.trainer.fitting.threads import threads
from pagecast.trainer.job import Progress, Trained, TrainOutcome, TrainProgress
from pagecast.trainer.starts.base import FULL, told_positions

_log = structlog.get_logger(__name__)


def export_and_register(
    source: Source,
    trained: Trained,
    quality: Quality | None = None,
    progress: Progress = lambda _: None,
) -> TrainOutcome:
    """Publishes the bundle and registers it as challenger. Raises ParityError.

    Its embeddings are published in the champion's axes (step 6).
    """
    progress(TrainProgress(stage="export", share_done=0.0))
    metrics = quality.metrics() if quality is not None else {}
    metrics |= _forgotten(source, trained)
    data = data_facts(trained, quality)
    parent = "" if trained.start is None else trained.start.base.version
    bundles = source.paths.bundles
    with registry_of(source) as registry:
        stable = _stabilised(trained, Before.find(registry, bundles, parent))
        data["stabilisation"] = stable.facts
        facts = BundleFacts(
            data=data,
            metrics=metrics | stable.metrics,
            config=trained.config.to_json(),
            parent_version=parent,
            stabilisation=stable.stabilisation,
        )
        manifest = write_bundle(
            bundles,
            trained.model,
            trained.vocabulary,
            facts,
            trained.catalog,
            _former(registry, bundles, trained),
        )
        registry.register(
            manifest.version,
            parent_version=manifest.parent_version or None,
            metrics=manifest.metrics,
            data=data,
            code_version=code_version(),
            config=manifest.config,
        )
    _log.info("model_registered", version=manifest.version, **metrics)
    return TrainOutcome(
        version=manifest.version,
        bundle=bundles / manifest.version,
        metrics=dict(manifest.metrics),
        quality=quality,
    )


def _former(registry: Registry, bundles: Path, trained: Trained) -> Former | None:
    """The base, if this very code has exported it and it is whole."""
    if trained.start is None:
        return None
    base = trained.start.base
    try:
        if registry.get(base.version).code_version != code_version():
            return None
        return Former.of(bundles / base.version, base.model, base.vocabulary)
    except (ModelUnknown, BundleError):
        return None


def _stabilised(trained: Trained, before: Before) -> Stabilised:
    with threads(trained.config.threads):
        return stabilise(trained.model, trained.vocabulary, trained.catalog, trained.sample, before)


def _forgotten(source: Source, trained: Trained) -> dict[str, float]:
    """How the model and its base predict what the base has learned from; nothing without a base."""
    if trained.start is None:
        return {}
    base = trained.start.base
    snapshot = source.read(until=trained.positions, known=base.positions)
    with threads(trained.config.threads):
        told = forgetting(base, trained.model, trained.vocabulary, snapshot.catalog, snapshot.users)
    return {} if told is None else told.metrics()


def data_facts(trained: Trained, quality: Quality | None) -> dict[str, JsonValue]:
    """What `manifest.data` and the registry tell of the training data and run."""
    return {
        **(FULL if trained.start is None else trained.start.facts()),
        "positions": told_positions(trained.positions),
        "catalog_number": trained.catalog.number,
        "users": trained.users,
        "steps": trained.steps,
        "optimizer_steps": trained.fit.steps,
        "epochs": trained.fit.epochs,
        "fit_seconds": trained.fit.seconds,
        "tokens_per_second": trained.fit.tokens_per_second,
        "padding": trained.fit.padding,
        "entity_loss": _known(trained.fit.entity_loss),
        "row_loss": _known(trained.fit.row_loss),
        "value_loss": _known(trained.fit.value_loss),
        "pages": dict(trained.fit.pages),
        "protocol": quality.protocol if quality is not None else "",
        **trained.facts,
    }


def _known(loss: float) -> float | None:
    """JSON has no NaN, which is the loss of a part that a training did not have."""
    return None if math.isnan(loss) else loss


@contextmanager
def registry_of(source: Source) -> Iterator[Registry]:
    """The registry beside the source, of today's tables."""
    engine = connect(source.database_url or source.paths.database_url)
    try:
        migrate(engine)
        yield Registry(engine)
    finally:
        engine.dispose()
