"""What is tried again, and for how long."""

import threading

import structlog
from sqlalchemy.exc import InterfaceError, OperationalError
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_after_delay,
    stop_when_event_set,
    wait_exponential_jitter,
)

from pagecast.eventlog.errors import BrokerUnavailable, BufferFull, PublishFailed, TopicMissing
from pagecast.featurestore.online.store_errors import STORE_TRANSIENT

TRANSIENT = (
    BrokerUnavailable,
    TopicMissing,
    PublishFailed,
    BufferFull,
    OperationalError,
    InterfaceError,
    *STORE_TRANSIENT,
    OSError,
)
"""A broker or store that is away, busy or full. Anything else is a fault that stays: the process
ends, and whoever supervises it learns of it."""

PAUSE_S_MIN = 0.05
"""The first pause between two tries; they double, with jitter, so that the workers of a group do
not all come back at the same moment."""

PAUSE_S_MAX = 2.0
"""The longest one: work goes on within seconds of a store's return."""

log = structlog.get_logger(__name__)


def retrying(stop: threading.Event, seconds_max: float) -> Retrying:
    """Retries what raises something TRANSIENT, for at most `seconds_max` or until `stop` is set.

    Then the last exception is raised.
    """
    return Retrying(
        retry=retry_if_exception_type(TRANSIENT),
        wait=wait_exponential_jitter(initial=PAUSE_S_MIN, max=PAUSE_S_MAX, jitter=PAUSE_S_MIN),
        stop=stop_after_delay(seconds_max) | stop_when_event_set(stop),
        sleep=sleep_using_event(stop),
        before_sleep=_note,
        reraise=True,
    )


def _note(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome is not None else None
    log.warning(
        "retrying", error=type(error).__name__, detail=str(error), attempt=state.attempt_number
    )
