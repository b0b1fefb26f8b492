"""Do the graphs of every profile equal the model? And can the largest one be trained at all?"""

import tempfile
from collections.abc import Callable
from pathlib import Path

from pagecast.trainer.benchmarks.cells import Figures
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.data.snapshot import Snapshot
from pagecast.trainer.evaluation.protocols.interactions import Interactions
from pagecast.trainer.export.bundle import BundleFacts, write_bundle
from pagecast.trainer.train import fit_on


def exported(
    data: Interactions,
    config: TrainConfig,
    *,
    export: bool,
    told: Callable[[float], None] = lambda _: None,
) -> Figures:
    """Largest differences of the exported graphs after a short training; its last loss in nats.

    Raises ParityError if a graph may not be published. Without `export`, the training alone.
    """
    snapshot = Snapshot(catalog=data.catalog, users=data.users, positions={})
    trained = fit_on(snapshot, config, lambda at: told(0.5 * at.share_done))
    figures = {
        "parameters": float(sum(p.numel() for p in trained.model.parameters())),
        "steps": float(trained.fit.steps),
        "entity_loss": trained.fit.entity_loss,
    }
    if not export:
        return figures
    facts = BundleFacts(data={}, metrics={}, config=config.to_json())
    with tempfile.TemporaryDirectory(prefix="bundle-") as folder:
        manifest = write_bundle(Path(folder), trained.model, trained.vocabulary, facts)
    return {**figures, **manifest.metrics}
