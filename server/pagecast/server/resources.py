"""What a server holds open besides its ports: stores, followers, slots, the reporter."""

from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import sqlalchemy as sa
import structlog

from pagecast.engine.batching.decode_loop import DecodeLoop
from pagecast.engine.batching.prefix_cache import PREFIX_IDLE_SECONDS_MAX, PrefixCache
from pagecast.engine.bundles.manifest import DecodeWeights
from pagecast.engine.graph import EngineConfig
from pagecast.engine.providers import Provider, usable_provider
from pagecast.featurestore.catalog.catalog import Catalog, CatalogFollower
from pagecast.featurestore.catalog.popularity import Popularity
from pagecast.featurestore.database import connect, migrate
from pagecast.featurestore.erasures import Erasures
from pagecast.featurestore.experiments.store import Experiments
from pagecast.featurestore.history.fold import FoldConfig
from pagecast.featurestore.models.registry import Registry
from pagecast.featurestore.online.store import OnlineFeatures
from pagecast.featurestore.trainings.trainings import Trainings
from pagecast.server.browse.erasure_watch import ErasureWatch
from pagecast.server.carrying_on.carried_servings import CarriedServings
from pagecast.server.carrying_on.continuation import Continuations, check_keys
from pagecast.server.config import ServerConfig
from pagecast.server.events.forget import Forgetting
from pagecast.server.events.publishing import EventPublisher
from pagecast.server.metrics import Metrics
from pagecast.server.models.arms import ARM_POLL_S, ArmFollower
from pagecast.server.models.bringing_over import BringingOver
from pagecast.server.models.champion import POLL_S, ChampionFollower
from pagecast.server.models.former_models import FORMER_SECONDS_MAX, FormerModels
from pagecast.server.models.loading_ahead import LoadedAhead
from pagecast.server.models.serving import Servings
from pagecast.server.models.succession import SUCCESSION_S_MAX
from pagecast.server.page.served import PageReporter
from pagecast.server.page.slots import Slots
from pagecast.server.page.stepping_back import low_priority_thread
from pagecast.server.page.users import Users
from pagecast.server.periodic import Periodic
from pagecast.server.predictions.neighbour_indexes import NeighbourIndexes
from pagecast.server.predictions.predicting import Predicting
from pagecast.server.rpc.registry_calls import RegistryCalls

_log = structlog.get_logger(__name__)

POPULARITY_PERIOD_S = 5.0
"""How old popularity may be: it changes over hours, and reading it costs the whole table."""


PREPARING_THREADS = 4
"""Pages prepared at once: history read, rules compiled. A read that hangs holds one for a second at
most (`users`); the work itself holds the GIL, so more threads would only take turns."""


@dataclass(frozen=True, kw_only=True)
class Resources:
    """Opened and closed in threads: both block."""

    users: Users
    registry: Registry
    trainings: Trainings
    registry_calls: RegistryCalls
    engine: sa.Engine
    servings: Servings
    carried: CarriedServings
    continuations: Continuations
    slots: Slots
    preparing: ThreadPoolExecutor
    decoding: DecodeLoop
    prefixes: PrefixCache
    bringing_over: BringingOver
    reporter: PageReporter | None
    publisher: EventPublisher | None
    forgetting: Forgetting
    erasures: ErasureWatch
    fold: FoldConfig
    predicting: Predicting
    neighbours: NeighbourIndexes
    closing: ExitStack

    @classmethod
    def open(cls, config: ServerConfig, metrics: Metrics) -> "Resources":
        """Opens everything, and loads the champion if there is one.

        Raises ProviderMissingError, and what the stores raise if they cannot be opened; then
        nothing stays open.
        """
        runs = _engine_config(config)
        with ExitStack() as stack:
            users = Users(OnlineFeatures.open(config.state, config.online_store_url or None))
            stack.callback(users.close)
            engine = connect(config.database_url or config.state.database_url)
            stack.callback(engine.dispose)
            migrate(engine)
            catalog = stack.enter_context(CatalogFollower(Catalog(engine)))
            registry = Registry(engine)
            servings = Servings(catalog, Popularity(engine), metrics)
            former = FormerModels(registry, config.state.bundles, runs)
            ahead = LoadedAhead(registry, config.state.bundles, servings, runs)
            champion = ChampionFollower(
                registry, config.state.bundles, servings, former, metrics, ahead, runs
            )
            champion.check()
            arms = ArmFollower(registry, Experiments(engine), config.state.bundles, servings, runs)
            arms.check()
            # What was read so far delayed no page; from here on, reading steps back behind pages.
            reader = low_priority_thread("read-bundle")
            stack.callback(reader.shutdown)
            # A second one: it pauses between files, and arms must be followed within two seconds.
            unhurried = low_priority_thread("read-ahead")
            stack.callback(unhurried.shutdown)
            prefixes = PrefixCache(config.prefix_cache_mb << 20)
            for name, period_s, action in (
                ("champion-follower", POLL_S, partial(_follow, champion, reader, ahead, unhurried)),
                ("arm-follower", ARM_POLL_S, partial(arms.check, reader)),
                ("popularity-refresh", POPULARITY_PERIOD_S, servings.refresh_popularity),
                ("succession", SUCCESSION_S_MAX / 10, servings.end_succession),
                ("former-models", FORMER_SECONDS_MAX / 10, former.drop_unused),
                ("idle-prefixes", PREFIX_IDLE_SECONDS_MAX / 60, prefixes.drop_idle),
            ):
                stack.callback(Periodic(name, period_s, action).stop)
            stack.callback(ahead.close)
            carried = CarriedServings(servings, former)
            stack.callback(carried.close)
            reporter = _reporter(config, metrics)
            if reporter is not None:
                stack.callback(reporter.close)
            publisher = _publisher(config, metrics)
            if publisher is not None:
                stack.callback(publisher.close)
            registry_calls = RegistryCalls()
            stack.callback(registry_calls.close)
            forgetting = Forgetting(config.bootstrap_servers, Erasures(engine))
            stack.callback(forgetting.close)
            erasures = ErasureWatch(Erasures(engine))
            stack.callback(erasures.close)
            preparing = ThreadPoolExecutor(PREPARING_THREADS, thread_name_prefix="prepare")
            stack.callback(preparing.shutdown)
            bringing_over = BringingOver(prefixes, preparing)
            stack.callback(bringing_over.close)
            decoding = DecodeLoop(config.slots_max, prefixes)
            stack.callback(decoding.close)
            neighbours = NeighbourIndexes()
            stack.callback(neighbours.close)
            predicting = Predicting(users, prefixes)
            stack.callback(predicting.close)
            slots = Slots(config.slots_max, config.waiting_max)
            metrics.follow_prefixes(prefixes)
            metrics.follow_predictions(lambda: predicting.waiting)
            metrics.follow_slots(lambda: slots.in_use, lambda: slots.waiting)
            return cls(
                users=users,
                registry=registry,
                trainings=Trainings(engine),
                registry_calls=registry_calls,
                engine=engine,
                servings=servings,
                carried=carried,
                continuations=Continuations(check_keys(config.continuation_key)),
                slots=slots,
                preparing=preparing,
                decoding=decoding,
                prefixes=prefixes,
                bringing_over=bringing_over,
                reporter=reporter,
                publisher=publisher,
                forgetting=forgetting,
                erasures=erasures,
                fold=config.fold,
                predicting=predicting,
                neighbours=neighbours,
                closing=stack.pop_all(),
            )

    def close(self) -> None:
        """Ends pages first, then reports what is left, then closes the rest."""
        self.closing.close()


def _follow(
    champion: ChampionFollower, reader: Executor, ahead: LoadedAhead, unhurried: Executor
) -> None:
    """The champion first: a promotion does not wait for a challenger to load."""
    champion.check(reader)
    ahead.check(unhurried)


def _engine_config(config: ServerConfig) -> EngineConfig:
    """Raises ProviderMissingError."""
    return EngineConfig(
        provider=usable_provider(Provider(config.provider), fallback=config.provider_fallback),
        decode_weights=DecodeWeights(config.decode_weights),
    )


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
