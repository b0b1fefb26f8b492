"""What a server holds open beside its ports: stores, followers, slots, the reporter."""

from contextlib import ExitStack
from dataclasses import dataclass

import sqlalchemy as sa
import structlog

from pagecast.engine.slots import Slots
from pagecast.featurestore.catalog import Catalog, CatalogFollower
from pagecast.featurestore.database import connect, migrate
from pagecast.featurestore.erasures import Erasures
from pagecast.featurestore.experiments.store import Experiments
from pagecast.featurestore.online import OnlineFeatures
from pagecast.featurestore.popularity import Popularity
from pagecast.featurestore.registry import Registry
from pagecast.server.arms import ARM_POLL_S, ArmFollower
from pagecast.server.config import ServerConfig
from pagecast.server.forget import Forgetting
from pagecast.server.metrics import Metrics
from pagecast.server.models import POLL_S, ChampionFollower
from pagecast.server.periodic import Periodic
from pagecast.server.publishing import EventPublisher
from pagecast.server.served import PageReporter
from pagecast.server.serving import Servings
from pagecast.server.users import Users

_log = structlog.get_logger(__name__)

POPULARITY_PERIOD_S = 5.0
"""How old popularity may be: it changes over hours, and reading it costs the whole table."""


@dataclass(frozen=True, kw_only=True)
class Resources:
    """Opened and closed in threads: both block."""

    users: Users
    registry: Registry
    engine: sa.Engine
    servings: Servings
    slots: Slots
    reporter: PageReporter | None
    publisher: EventPublisher | None
    forgetting: Forgetting
    closing: ExitStack

    @classmethod
    def open(cls, config: ServerConfig, metrics: Metrics) -> "Resources":
        """Opens everything, and loads the champion if there is one.

        Raises what the stores raise if they cannot be opened; then nothing stays open.
        """
        with ExitStack() as stack:
            users = Users(OnlineFeatures.open(config.state, config.online_store_url or None))
            stack.callback(users.close)
            engine = connect(config.database_url or config.state.database_url)
            stack.callback(engine.dispose)
            migrate(engine)
            catalog = stack.enter_context(CatalogFollower(Catalog(engine)))
            registry = Registry(engine)
            servings = Servings(catalog, Popularity(engine), metrics)
            champion = ChampionFollower(registry, config.state.bundles, servings, metrics)
            champion.check()
            arms = ArmFollower(registry, Experiments(engine), config.state.bundles, servings)
            arms.check()
            for name, period_s, action in (
                ("champion-follower", POLL_S, champion.check),
                ("arm-follower", ARM_POLL_S, arms.check),
                ("popularity-refresh", POPULARITY_PERIOD_S, servings.refresh_popularity),
            ):
                stack.callback(Periodic(name, period_s, action).stop)
            reporter = _reporter(config, metrics)
            if reporter is not None:
                stack.callback(reporter.close)
            publisher = _publisher(config, metrics)
            if publisher is not None:
                stack.callback(publisher.close)
            forgetting = Forgetting(config.bootstrap_servers, Erasures(engine))
            stack.callback(forgetting.close)
            slots = Slots(config.slots_max, config.waiting_max)
            stack.callback(slots.close)
            metrics.follow_slots(lambda: slots.in_use, lambda: slots.waiting)
            return cls(
                users=users,
                registry=registry,
                engine=engine,
                servings=servings,
                slots=slots,
                reporter=reporter,
                publisher=publisher,
                forgetting=forgetting,
                closing=stack.pop_all(),
            )

    def close(self) -> None:
        """Ends slots first, then reports what is left, then the rest."""
        self.closing.close()


def _reporter(config: ServerConfig, metrics: Metrics) -> PageReporter | None:
    if config.bootstrap_servers:
        return PageReporter(config.bootstrap_servers, metrics)
    _log.warning("served_pages_not_reported", remedy="set bootstrap_servers")
    return None


def _publisher(config: ServerConfig, metrics: Metrics) -> EventPublisher | None:
    """Connects when it is first used: a server starts without Kafka."""
    if not config.bootstrap_servers:
        return None
    return EventPublisher(config.bootstrap_servers, metrics)
