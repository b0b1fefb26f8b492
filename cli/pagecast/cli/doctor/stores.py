"""The stores, the registry and the champion's bundle. Checking creates nothing."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pagecast.cli.doctor.finding import Finding, broken, note, ok
from pagecast.cli.settings import Settings
from pagecast.featurestore.state import StatePaths

if TYPE_CHECKING:
    import sqlalchemy as sa

ANOTHER_FOLDER = "choose another folder with --state-dir, or move this one away"


def look_at_stores(settings: Settings) -> Iterator[Finding]:
    paths = StatePaths(root=settings.state_dir)
    if settings.database_url is None and not paths.database.exists():
        yield note("database", f"none in {paths.root} yet", "`pagecast up` makes it")
    else:
        yield from _database(settings)
    yield _online_store(settings, paths)
    yield _offline_log(paths)


def _database(settings: Settings) -> Iterator[Finding]:
    import sqlalchemy as sa

    from pagecast.cli.database import open_database
    from pagecast.cli.exits import CliError
    from pagecast.featurestore.catalog.catalog import Catalog
    from pagecast.featurestore.database import DatabaseNewerError

    try:
        with open_database(settings) as engine:
            snapshot = Catalog(engine).snapshot()
            entities = sum(not entity.retired for entity in snapshot.entities)
            rows = sum(not row.retired for row in snapshot.rows)
            yield ok("catalog", f"number {snapshot.number}: {entities} entities, {rows} rows")
            yield _champion(settings, engine)
    except CliError as error:
        yield broken("database", error.message, error.remedy)
    except DatabaseNewerError as error:
        yield broken("database", str(error), "upgrade Pagecast")
    except sa.exc.DatabaseError as error:
        yield broken("database", f"it cannot be read: {error.orig}", ANOTHER_FOLDER)


def _champion(settings: Settings, engine: "sa.Engine") -> Finding:
    from pagecast.featurestore.models.records import CHAMPION
    from pagecast.featurestore.models.registry import Registry

    champion = Registry(engine).resolve(CHAMPION)
    if champion is None:
        return note("model", "no champion yet: pages are by popularity", "run `pagecast train`")
    try:
        from pagecast.engine.bundles.served_model import load_served, verify_served
        from pagecast.engine.errors import BundleError
    except ImportError:
        return note("model", "it cannot be looked at", "pip install 'pagecast[cpu]'")
    try:
        bundle = StatePaths(root=settings.state_dir).bundles / champion.bundle
        verify_served(bundle)
        load_served(bundle)
    except BundleError as error:
        return broken(
            "model",
            f"champion {champion.version}: {error}",
            "`pagecast models rollback`, or train again",
        )
    return ok("model", f"champion {champion.version} loads and answers as when it was exported")


def _online_store(settings: Settings, paths: StatePaths) -> Finding:
    url = settings.online_store_url
    if url is None and not paths.online_db.exists():
        return note("online store", f"none in {paths.root} yet", "`pagecast up` makes it")
    from pagecast.featurestore.online.store import OnlineFeatures
    from pagecast.featurestore.online.store_errors import OnlineStoreAway
    from pagecast.featurestore.online.store_url import StoreUrl

    where = str(paths.online_db) if url is None else str(StoreUrl.parse(url))
    try:
        with TemporaryDirectory() as elsewhere:
            # Feast's registry is made where it leaves no trace.
            root = paths.root if url is None else Path(elsewhere)
            features = OnlineFeatures.open(StatePaths(root=root), url)
            try:
                features.read_user("doctor")
            finally:
                features.close()
    except OnlineStoreAway as error:
        return broken("online store", str(error), "start it, or mend online_store_url")
    except Exception as error:
        remedy = ANOTHER_FOLDER if url is None else "mend online_store_url, or unset it for SQLite"
        return broken("online store", f"{where}: {error}", remedy)
    return ok("online store", f"{where} answers")


def _offline_log(paths: StatePaths) -> Finding:
    if not any(paths.offline.glob("**/*.parquet")):
        return note("offline log", f"no events in {paths.offline} yet", "`pagecast publish` some")
    from pagecast.featurestore.offline import OfflineLog

    try:
        positions = OfflineLog(paths.offline).positions()
    except Exception as error:
        return broken("offline log", f"{paths.offline}: {error}", ANOTHER_FOLDER)
    return ok("offline log", f"{sum(positions.values())} events in {len(positions)} partitions")
