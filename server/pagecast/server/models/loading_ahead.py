"""The life of a model, step 9: a challenger is loaded before it is promoted, and in no hurry.

A bundle becomes the challenger when it is registered, and the champion once it has passed the gate.
In between a server has time: it reads, compares, binds and warms the challenger with long pauses,
so that a page meets one short piece of work at most, and the promotion finds it ready
(docs/adr/0024-loading-ahead.md). A model that is promoted sooner, or was never a challenger, is
taken up without pauses, as fast as possible.
"""

import threading
import time
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog

from pagecast.engine.bundles.bundle import DEFAULT_CONFIG
from pagecast.engine.bundles.served_model import ServedModel, load_served
from pagecast.engine.errors import BundleError, EngineError
from pagecast.engine.graph import EngineConfig
from pagecast.engine.parts import Parts
from pagecast.featurestore.models.records import CHALLENGER, CHAMPION, ModelRecord
from pagecast.featurestore.models.registry import Registry
from pagecast.server.models.serving import Servings

_log = structlog.get_logger(__name__)

AHEAD_POLL_S = 2.0
"""How often the registry is asked for the challenger: it stays one for as long as the gate takes,
which is seconds at least. Its whole record is read, in one to two milliseconds of CPU."""

AHEAD_SECONDS_MAX = 900.0
"""A challenger that nobody has promoted after this long is let go, and not loaded again: it costs
the memory of a model."""

PAUSE_SHARE = 9.0
"""Pause after each piece of work, as a multiple of the time it took: a tenth of a core at most.
0.3 s of CPU then take three seconds or more."""

PAUSE_S_MAX = 2.0
"""The longest pause: where pieces take seconds, loading must not take minutes."""

LOOK_S = 0.1
"""How often a pause looks whether the champion has moved: a model that has just been promoted waits
no longer than this."""


class _Superseded(Exception):  # noqa: N818 - no error
    """Another model was promoted meanwhile, or the server ends: loading has to stop."""


@dataclass(frozen=True, kw_only=True)
class _Ahead:
    model: ServedModel
    parts: Parts
    loaded_s: float
    """By the monotonic clock."""


class LoadedAhead:
    """The challenger, if loaded. One thread calls `check` and `take`; any may call `close`."""

    def __init__(
        self,
        registry: Registry,
        bundles: Path,
        servings: Servings,
        engine: EngineConfig = DEFAULT_CONFIG,
    ) -> None:
        self._registry = registry
        self._bundles = bundles
        self._servings = servings
        self._engine = engine
        self._ahead: _Ahead | None = None
        self._tried_version = ""
        self._checked_s = float("-inf")
        self._closing = threading.Event()

    def check(self, reader: Executor) -> None:
        """Loads the challenger if it has changed, and lets go of a model that no longer is one;
        `reader` reads its files, pauses between them and does nothing else. Takes seconds.
        Raises what the registry's database raises.

        A bundle that cannot serve is refused when it is promoted; here it is only logged.
        """
        if time.monotonic() - self._checked_s < AHEAD_POLL_S:
            return
        self._checked_s = time.monotonic()
        challenger = self._registry.resolve(CHALLENGER)
        self._let_go_unless(challenger)
        if challenger is None or challenger.version == self._tried_version or _refused(challenger):
            return
        champion = self._registry.version_of(CHAMPION)
        if champion is None:
            return  # The first champion finds an idle server.
        try:
            self._load(challenger, champion, reader)
        except _Superseded:
            return
        except EngineError as error:
            _log.warning("challenger_unfit", version=challenger.version, reason=str(error))
        self._tried_version = challenger.version

    def take(self, version: str) -> tuple[ServedModel | None, Parts]:
        """The model of a version and what its loading took, if it was loaded ahead; it is no longer
        held here. Otherwise None, and parts in which nothing has begun."""
        ahead = self._ahead
        if ahead is None or ahead.model.version != version:
            return None, Parts()
        self._ahead = None
        return ahead.model, ahead.parts

    def close(self) -> None:
        """Ends pauses: a model that is being loaded is given up at the next one."""
        self._closing.set()

    def _let_go_unless(self, challenger: ModelRecord | None) -> None:
        ahead = self._ahead
        if ahead is None:
            return
        is_it = challenger is not None and challenger.version == ahead.model.version
        waits = time.monotonic() - ahead.loaded_s < AHEAD_SECONDS_MAX
        if not (is_it and waits) or _refused(challenger):
            self._ahead = None

    def _load(self, challenger: ModelRecord, champion: str, reader: Executor) -> None:
        parts = Parts(partial(self._rest, challenger.version, champion))
        path = self._bundles / challenger.bundle
        bundle = load_served(path, self._engine, parts, reader)
        if bundle.version != challenger.version:
            raise BundleError(f"{challenger.bundle}: holds version {bundle.version}")
        model = self._servings.warmed(bundle, None, parts)
        parts.rest = _at_once
        self._ahead = _Ahead(model=model, parts=parts, loaded_s=time.monotonic())
        taken_ms = round(sum(parts.wall_s.values()) * 1000)
        _log.info("challenger_ready", version=challenger.version, took_ms=taken_ms)

    def _rest(self, challenger: str, champion: str, took_s: float) -> None:
        """Pauses after a piece of work. Raises _Superseded if going on is of no use."""
        until_s = time.monotonic() + min(PAUSE_SHARE * took_s, PAUSE_S_MAX)
        while True:
            now = self._registry.version_of(CHAMPION)
            if self._closing.is_set() or now not in (challenger, champion):
                raise _Superseded
            left_s = until_s - time.monotonic()
            if now == challenger or left_s <= 0:
                return
            self._closing.wait(min(LOOK_S, left_s))


def _refused(challenger: ModelRecord | None) -> bool:
    """Whether the gate has refused to promote it."""
    verdict = None if challenger is None else challenger.verdict
    return verdict is not None and not verdict.passed


def _at_once(_took_s: float) -> None:
    """No pause: what follows is done once the model has been promoted."""
