"""Claims trainings and runs each as a process of its own; step 1 of the life of a model.

The process that claims never imports torch: it only waits, shows that it is alive, and looks after
its children. What a child writes is conditional on its claim, so the two can die in any order.
"""

import os
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import structlog
from sqlalchemy.exc import InterfaceError, OperationalError

from pagecast.featurestore.trainings.claims import ClaimLost, TrainingClaims
from pagecast.featurestore.trainings.records import Claim
from pagecast.trainer.service.training_process import TrainingProcess, ending

TRY_AGAIN = 75
"""Exit code of a training that something else has stopped (EX_TEMPFAIL): worth another try."""

SIGNALLED = 128
"""Exit codes above it are of a process that a signal has ended in order: 143 is SIGTERM."""

_AWAY = (OperationalError, InterfaceError)
"""The database does not answer: it is asked again at the next turn."""

T = TypeVar("T")

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class SupervisorConfig:
    """How a trainer claims trainings and looks after them."""

    command: Callable[[Claim], Sequence[str]]
    """What runs a claimed training; the first word is a path."""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """On top of this process's: what may not stand on a command line."""
    logs: Path
    """Directory of the trainings' output, a file each."""
    at_once_max: int = 1
    """Trainings this trainer runs at the same time; each keeps its threads busy."""
    lease_s: float = 15.0
    """Seconds after which a silent trainer is taken for dead: many turns, so that one on a busy
    machine is not, and little beside a training."""
    turn_s: float = 1.0
    """Seconds between two looks at the database and the children."""
    pause_s: float = 10.0
    """Seconds before a training that crashed is taken up again, doubling with every crash: what
    stopped it, a full disk or a database that is away, does not pass in a moment."""
    stop_s: float = 10.0
    """Seconds a training has to end by itself before it is killed."""

    def __post_init__(self) -> None:
        if not self.turn_s < self.lease_s / 2:
            raise ValueError(
                f"turn_s is {self.turn_s}, must be less than half of lease_s, {self.lease_s}"
            )
        if self.at_once_max < 1:
            raise ValueError(f"at_once_max is {self.at_once_max}, must be at least 1")


@dataclass(kw_only=True)
class _Child:
    claim: Claim
    process: TrainingProcess
    cancelled: bool = False


class Supervisor:
    """One trainer. Run it in the main thread: its children die with the thread that made them."""

    def __init__(self, claims: TrainingClaims, config: SupervisorConfig) -> None:
        self._claims, self._config = claims, config
        self._lease_ms = round(config.lease_s * 1000)
        self.holder = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
        self._children: list[_Child] = []

    def run(self, stop: threading.Event) -> None:
        """Works until `stop` is set; then running trainings are given back, for others."""
        _log.info("waiting_for_trainings", holder=self.holder, at_once_max=self._config.at_once_max)
        try:
            while not stop.is_set():
                self._turn()
                stop.wait(self._config.turn_s)
        finally:
            for child in self._children:
                child.process.ask_to_end()
            for child in self._children:
                child.process.wait()
                self._settle(partial(self._claims.give_back, child.claim))

    def _turn(self) -> None:
        for child in list(self._children):
            self._settle(partial(self._look_after, child))
        while len(self._children) < self._config.at_once_max:
            claim = self._settle(partial(self._claims.claim, self.holder, self._lease_ms))
            if claim is None:
                return
            _log.info("training_claimed", request_id=claim.request_id, attempt=claim.attempt)
            self._settle(partial(self._start, claim))

    def _start(self, claim: Claim) -> None:
        config = self._config
        log = config.logs / f"training-{claim.id}.log"
        try:
            process = TrainingProcess(config.command(claim), config.environment, log, config.stop_s)
        except OSError as error:  # a full disk, or no memory for one more process
            self._give_back(claim, f"could not be started: {error}")
        else:
            self._children.append(_Child(claim=claim, process=process))

    def _look_after(self, child: "_Child") -> None:
        code = child.process.code
        if code is None:
            child.process.kill_if_overdue()
            # Even while it is ending: nobody may take it up before its process is gone.
            self._renew(child)
            return
        try:
            self._ended(child, code)
        except ClaimLost:  # the child has written its end, or another trainer has it
            _log.info("training_ended", request_id=child.claim.request_id, code=code)
        self._children.remove(child)

    def _renew(self, child: "_Child") -> None:
        try:
            child.cancelled |= self._claims.renew(child.claim, self._lease_ms)
        except ClaimLost:
            child.process.ask_to_end()
            return
        if child.cancelled:
            child.process.ask_to_end()

    def _ended(self, child: "_Child", code: int) -> None:
        """Raises ClaimLost."""
        claim, told = child.claim, f"{ending(code)}; read {child.process.log}"
        if child.cancelled:
            self._claims.cancelled(claim)
            _log.info("training_cancelled", request_id=claim.request_id)
            return
        if code in (0, TRY_AGAIN) or code < 0 or code > SIGNALLED:
            self._give_back(claim, told)
        else:
            self._claims.fail(claim, told)
            _log.warning("training_crashed", request_id=claim.request_id, ending=told)

    def _give_back(self, claim: Claim, told: str) -> None:
        """Raises ClaimLost."""
        pause_ms = round(self._config.pause_s * 1000)
        self._claims.give_back(claim, crashed=told, pause_ms=pause_ms)
        _log.warning("training_crashed", request_id=claim.request_id, ending=told)

    def _settle(self, work: Callable[[], T]) -> T | None:
        """What `work` returns; None if the claim is lost or the database does not answer."""
        try:
            return work()
        except ClaimLost as error:
            _log.warning("claim_lost", reason=str(error))
        except _AWAY as error:
            _log.warning("registry_away", reason=str(error.orig))
        return None
