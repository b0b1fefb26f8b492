"""`pagecast embeddings write`, which opens the champion and the stores."""

from collections.abc import Callable

from pagecast.cli.database import open_database
from pagecast.cli.exits import CommandError, LockedError
from pagecast.cli.settings import Settings
from pagecast.engine.bundles.bundle import load_bundle
from pagecast.engine.errors import EngineError
from pagecast.engine.model import Model
from pagecast.featurestore.catalog.catalog import Catalog
from pagecast.featurestore.erasures import Erasures
from pagecast.featurestore.models.records import CHAMPION
from pagecast.featurestore.models.registry import Registry
from pagecast.featurestore.offline import OfflineLog
from pagecast.featurestore.offline.embedding_log import EmbeddingsInUse, Run
from pagecast.featurestore.online.store import OnlineFeatures
from pagecast.featurestore.state import StatePaths
from pagecast.server.predictions.embedding_job import EmbeddingJob, EmbeddingStores, Progress


def champion_of(settings: Settings) -> Model:
    """The champion, bound to the catalog as it is now. Raises CliError."""
    with open_database(settings) as engine:
        record = Registry(engine).resolve(CHAMPION)
        snapshot = Catalog(engine).snapshot()
    if record is None:
        raise CommandError("there is no champion", "train a model and promote it")
    try:
        bundle = load_bundle(StatePaths(root=settings.state_dir).bundles / record.bundle)
        model = Model(bundle, snapshot)
    except EngineError as error:
        raise CommandError(f"the champion cannot be used: {error}", "promote another") from error
    if model.entities.named is not None:
        raise CommandError(
            "the champion spells entities in semantic IDs: they have no embeddings",
            "promote a model of entities",
        )
    return model


def run_job(
    settings: Settings, model: Model, told: Callable[[Progress], None]
) -> tuple[Run, Progress]:
    """Returns the run and how much was written. Raises CliError, and the stores' errors."""
    paths = StatePaths(root=settings.state_dir)
    newest: list[Progress] = []

    def tell(progress: Progress) -> None:
        newest[:] = [progress]
        told(progress)

    with open_database(settings) as engine:
        online = OnlineFeatures.open(paths, settings.online_store_url or None)
        try:
            stores = EmbeddingStores(
                online=online, offline=OfflineLog(paths.offline), erasures=Erasures(engine)
            )
            run = EmbeddingJob(model, stores).run(tell)
        except EmbeddingsInUse as error:
            raise LockedError(str(error)) from error
        finally:
            online.close()
    return run, newest[0]
