"""The life of a model, step 9: servers see the champion alias move and take up its bundle."""

import time
from concurrent.futures import Executor
from pathlib import Path

import structlog

from pagecast.engine.bundles.bundle import DEFAULT_CONFIG
from pagecast.engine.bundles.served_model import load_served
from pagecast.engine.errors import BundleError, EngineError
from pagecast.engine.graph import EngineConfig
from pagecast.engine.parts import Parts
from pagecast.featurestore.models.records import CHAMPION, ModelRecord
from pagecast.featurestore.models.registry import Registry
from pagecast.server.metrics import Metrics
from pagecast.server.models.former_models import FormerModels
from pagecast.server.models.loading_ahead import LoadedAhead
from pagecast.server.models.serving import Servings

_log = structlog.get_logger(__name__)

POLL_S = 0.2
"""How often the registry is asked for the champion: a promotion shows within two seconds, though
its bundle may have to be loaded first. It is asked for one row, in half a millisecond of CPU."""

REFUSED_AGAIN_AFTER_S = 30.0
"""A bundle that does not load is not read every second; its files may be repaired meanwhile."""


class ChampionFollower:
    """Loads, verifies, binds and warms the champion beside the model that serves, then swaps."""

    def __init__(
        self,
        registry: Registry,
        bundles: Path,
        servings: Servings,
        former: FormerModels,
        metrics: Metrics,
        ahead: LoadedAhead,
        engine: EngineConfig = DEFAULT_CONFIG,
    ) -> None:
        self._engine = engine
        self._ahead = ahead
        self._registry = registry
        self._bundles = bundles
        self._servings = servings
        self._former = former
        self._metrics = metrics
        self._serving_version = ""
        self._refused_version = ""
        self._refused_at_s = 0.0

    def check(self, reader: Executor | None = None) -> None:
        """Takes up the champion if it has changed; `reader` reads its files. Raises what the
        registry's database raises.

        A bundle that cannot serve is refused: the server goes on with the model it has.
        """
        version = self._registry.version_of(CHAMPION)
        if version is None or version == self._serving_version:
            return
        if version == self._refused_version and self._refused_lately():
            return
        champion = self._registry.get(version)
        try:
            self._take_up(champion, reader)
        except EngineError as error:
            self._refuse(champion.version, str(error))

    def _take_up(self, champion: ModelRecord, reader: Executor | None) -> None:
        kept = self._former.kept(champion.version)
        ahead, parts = self._ahead.take(champion.version)
        older = kept or ahead
        if older is None:
            path = self._bundles / champion.bundle
            bundle = load_served(path, self._engine, parts, reader)
        else:
            bundle = older.bundle
        if bundle.version != champion.version:
            raise BundleError(f"{champion.bundle}: holds version {bundle.version}")
        before = self._servings.current.model
        self._servings.take_up_bundle(bundle, older, parts, at_once=kept is not None)
        if before is not None:
            self._former.keep(before)
        self._former.serves_again(champion.version)
        self._serving_version, self._refused_version = champion.version, ""
        self._tell(champion.version, parts)

    def _tell(self, version: str, parts: Parts) -> None:
        self._metrics.model_swaps.labels(outcome="swapped").inc()
        for part, wall_s in parts.wall_s.items():
            self._metrics.swap_parts.labels(part=part).observe(wall_s)
        _log.info("model_swapped", version=version, **_milliseconds(parts))

    def _refuse(self, version: str, reason: str) -> None:
        self._refused_version, self._refused_at_s = version, time.monotonic()
        self._metrics.model_swaps.labels(outcome="refused").inc()
        _log.error("model_refused", version=version, reason=reason)

    def _refused_lately(self) -> bool:
        return time.monotonic() - self._refused_at_s < REFUSED_AGAIN_AFTER_S


def _milliseconds(parts: Parts) -> dict[str, int]:
    """For a log line: how long each part took, and the CPU time of all together."""
    taken = {f"{part}_ms": round(wall_s * 1000) for part, wall_s in parts.wall_s.items()}
    return {**taken, "cpu_ms": round(sum(parts.cpu_s.values()) * 1000)}
