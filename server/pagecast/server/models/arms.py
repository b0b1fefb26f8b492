"""Arms of experiments: their models are loaded beside the champion, within two seconds of a change.

An arm whose model is unavailable costs nobody a page: its users get the champion's, and the page
and the report say so.
"""

import time
from collections.abc import Iterable
from concurrent.futures import Executor
from pathlib import Path

import structlog

from pagecast.engine.bundles.bundle import DEFAULT_CONFIG
from pagecast.engine.bundles.served_model import ServedBundle, load_served
from pagecast.engine.errors import BundleError, EngineError
from pagecast.engine.graph import EngineConfig
from pagecast.featurestore.experiments.assignment import Experiment
from pagecast.featurestore.experiments.store import Experiments
from pagecast.featurestore.models.records import CHAMPION, ModelRecord
from pagecast.featurestore.models.registry import Registry
from pagecast.server.models.champion import REFUSED_AGAIN_AFTER_S
from pagecast.server.models.serving import Servings

_log = structlog.get_logger(__name__)

ARM_POLL_S = 0.5
"""How often experiments and aliases are looked up: a change shows within two seconds, though a
model may have to be loaded first."""

ARM_MODELS_MAX = 4
"""Models loaded beside the champion, for all experiments together: each holds one to two times its
bundle's size and the catalog's embeddings in memory, and embeds every catalog change. Arms beyond
it fall back to the champion."""


class ArmFollower:
    """Loads the models that the running experiments' arms point to, and lets go of the rest."""

    def __init__(
        self,
        registry: Registry,
        experiments: Experiments,
        bundles: Path,
        servings: Servings,
        engine: EngineConfig = DEFAULT_CONFIG,
    ) -> None:
        self._registry = registry
        self._experiments = experiments
        self._bundles = bundles
        self._servings = servings
        self._engine = engine
        self._taken: dict[str, ServedBundle] = {}
        self._refused: dict[tuple[str, str], float] = {}
        self._without_room: frozenset[tuple[str, str]] = frozenset()

    def check(self, reader: Executor | None = None) -> None:
        """Follows experiments and aliases; `reader` reads bundles' files. Raises what the
        registry's database raises.

        A bundle that cannot serve is refused: the arm keeps the model it has, if any.
        """
        running = self._experiments.running()
        wanted = dict(self._wanted(running))
        self._taken = {alias: b for alias, b in self._taken.items() if alias in wanted}
        for alias, record in wanted.items():
            taken = self._taken.get(alias)
            if taken is None or taken.version != record.version:
                self._try(alias, record, reader)
        self._servings.set_experiments(running, frozenset(self._taken))

    def _wanted(self, running: Iterable[Experiment]) -> Iterable[tuple[str, ModelRecord]]:
        """Aliases whose models should be loaded, the oldest experiments' first."""
        arms = dict.fromkeys(arm.alias for one in running for arm in one.arms)
        found = [(alias, self._registry.resolve(alias)) for alias in arms if alias != CHAMPION]
        known = [(alias, record) for alias, record in found if record is not None]
        self._leave_out(known[ARM_MODELS_MAX:])
        return known[:ARM_MODELS_MAX]

    def _leave_out(self, arms: Iterable[tuple[str, ModelRecord]]) -> None:
        """Logged once, and not refused: their models are loaded as soon as there is room."""
        without_room = frozenset((alias, record.version) for alias, record in arms)
        for alias, version in sorted(without_room - self._without_room):
            reason = f"{ARM_MODELS_MAX} arms have models already"
            _log.error("arm_refused", arm=alias, version=version, reason=reason)
        self._without_room = without_room

    def _try(self, alias: str, record: ModelRecord, reader: Executor | None) -> None:
        refused_at_s = self._refused.get((alias, record.version))
        if refused_at_s is not None and time.monotonic() - refused_at_s < REFUSED_AGAIN_AFTER_S:
            return
        try:
            bundle = self._bundle(record, reader)
            self._servings.take_up_arm(alias, bundle)
        except EngineError as error:
            self._refuse(alias, record.version, str(error))
            return
        self._taken[alias] = bundle
        _log.info("arm_taken_up", arm=alias, version=record.version)

    def _bundle(self, record: ModelRecord, reader: Executor | None) -> ServedBundle:
        """The bundle another arm has loaded, if one has; otherwise a newly loaded one."""
        for bundle in self._taken.values():
            if bundle.version == record.version:
                return bundle
        bundle = load_served(self._bundles / record.bundle, self._engine, reader=reader)
        if bundle.version != record.version:
            raise BundleError(f"{record.bundle}: holds version {bundle.version}")
        return bundle

    def _refuse(self, alias: str, version: str, reason: str) -> None:
        """Logged once, and again after each new attempt."""
        now_s = time.monotonic()
        refused_at_s = self._refused.get((alias, version))
        if refused_at_s is None or now_s - refused_at_s >= REFUSED_AGAIN_AFTER_S:
            self._refused = {key: s for key, s in self._refused.items() if key[0] != alias}
            self._refused[alias, version] = now_s
            _log.error("arm_refused", arm=alias, version=version, reason=reason)
