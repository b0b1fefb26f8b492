"""A batch job that is killed after some parts: `python embedding_process.py STATE_DIR PARTS`."""

import os
import signal
import sys
from pathlib import Path

from pagecast.engine.bundles.bundle import load_bundle
from pagecast.engine.model import Model
from pagecast.featurestore.catalog.catalog import Catalog
from pagecast.featurestore.database import connect
from pagecast.featurestore.erasures import Erasures
from pagecast.featurestore.models.registry import Registry
from pagecast.featurestore.offline import OfflineLog
from pagecast.featurestore.online.store import OnlineFeatures
from pagecast.featurestore.state import StatePaths
from pagecast.server.predictions.embedding_job import EmbeddingJob, EmbeddingStores, Progress


def main(root: Path, parts: int) -> None:
    paths = StatePaths(root=root)
    engine = connect(paths.database_url)
    champion = Registry(engine).resolve("champion")
    assert champion is not None
    model = Model(load_bundle(paths.bundles / champion.bundle), Catalog(engine).snapshot())
    stores = EmbeddingStores(
        online=OnlineFeatures.open(paths),
        offline=OfflineLog(paths.offline),
        erasures=Erasures(engine),
    )

    def told(at: Progress) -> None:
        if at.parts_done == parts:
            os.kill(os.getpid(), signal.SIGKILL)

    EmbeddingJob(model, stores, chunk_users=2).run(told)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
