"""What an ingest worker writes to."""

from dataclasses import dataclass
from types import TracebackType
from typing import Self

import sqlalchemy as sa

from pagecast.featurestore.catalog.catalog import Catalog
from pagecast.featurestore.catalog.popularity import Popularity
from pagecast.featurestore.database import connect, migrate
from pagecast.featurestore.erasures import Erasures
from pagecast.featurestore.offline import OfflineLog
from pagecast.featurestore.online.store import OnlineFeatures
from pagecast.streaming.config import IngestConfig
from pagecast.streaming.erasing import Eraser


@dataclass(frozen=True, kw_only=True)
class Stores:
    """The open stores. Closed at the end of a `with` block."""

    online: OnlineFeatures
    offline: OfflineLog
    catalog: Catalog
    popularity: Popularity
    erasures: Erasures
    engine: sa.Engine

    @classmethod
    def open(cls, config: IngestConfig) -> Self:
        """Opens all stores, and makes what does not exist yet. Takes seconds: it imports Feast."""
        paths = config.paths.create()
        engine = connect(config.database_url or paths.database_url)
        try:
            migrate(engine)
            return cls(
                online=OnlineFeatures.open(
                    paths, config.online_store_url, fold=config.fold.fingerprint
                ),
                offline=OfflineLog(paths.offline),
                catalog=Catalog(engine),
                popularity=Popularity(engine),
                erasures=Erasures(engine),
                engine=engine,
            )
        except BaseException:
            engine.dispose()
            raise

    @property
    def eraser(self) -> Eraser:
        """Erases users from them."""
        return Eraser(self.online, self.offline, self.erasures)

    def close(self) -> None:
        self.online.close()
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
