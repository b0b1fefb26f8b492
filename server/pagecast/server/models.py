"""The life of a model, step 9: servers see the champion alias move and take the bundle up."""

import time
from pathlib import Path

import structlog

from pagecast.engine.bundle import DEFAULT_CONFIG
from pagecast.engine.errors import BundleError, EngineError
from pagecast.engine.graph import EngineConfig
from pagecast.engine.served_model import load_served
from pagecast.featurestore.model_records import CHAMPION, ModelRecord
from pagecast.featurestore.registry import Registry
from pagecast.server.former_models import FormerModels
from pagecast.server.metrics import Metrics
from pagecast.server.serving import Servings

_log = structlog.get_logger(__name__)

POLL_S = 0.5
"""How often the registry is asked for the champion: a promotion shows within two seconds, though
its bundle may have to be loaded first."""

REFUSED_AGAIN_AFTER_S = 30.0
"""A bundle that does not load is not read every second; its files may be mended meanwhile."""


class ChampionFollower:
    """Loads, verifies, binds and warms the champion beside the model that serves, then swaps."""

    def __init__(
        self,
        registry: Registry,
        bundles: Path,
        servings: Servings,
        former: FormerModels,
        metrics: Metrics,
        engine: EngineConfig = DEFAULT_CONFIG,
    ) -> None:
        self._engine = engine
        self._registry = registry
        self._bundles = bundles
        self._servings = servings
        self._former = former
        self._swaps = metrics.model_swaps
        self._serving_version = ""
        self._refused_version = ""
        self._refused_at_s = 0.0

    def check(self) -> None:
        """Takes the champion up if it is another one. Raises what the registry's database raises.

        A bundle that cannot serve is refused: the server goes on with what it has.
        """
        champion = self._registry.resolve(CHAMPION)
        if champion is None or champion.version == self._serving_version:
            return
        if champion.version == self._refused_version and self._refused_lately():
            return
        try:
            self._take_up(champion)
        except EngineError as error:
            self._refuse(champion.version, str(error))

    def _take_up(self, champion: ModelRecord) -> None:
        kept = self._former.kept(champion.version)
        if kept is None:
            bundle = load_served(self._bundles / champion.bundle, self._engine)
        else:
            bundle = kept.bundle
        if bundle.version != champion.version:
            raise BundleError(f"{champion.bundle}: holds version {bundle.version}")
        before = self._servings.current.model
        self._servings.take_up_bundle(bundle, kept)
        if before is not None:
            self._former.keep(before)
        self._former.serves_again(champion.version)
        self._serving_version, self._refused_version = champion.version, ""
        self._swaps.labels(outcome="swapped").inc()
        _log.info("model_swapped", version=champion.version)

    def _refuse(self, version: str, reason: str) -> None:
        self._refused_version, self._refused_at_s = version, time.monotonic()
        self._swaps.labels(outcome="refused").inc()
        _log.error("model_refused", version=version, reason=reason)

    def _refused_lately(self) -> bool:
        return time.monotonic() - self._refused_at_s < REFUSED_AGAIN_AFTER_S
