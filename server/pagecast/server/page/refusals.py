"""How a page is refused that cannot be made, or not to its end."""

import grpc

from pagecast.server.page.slots import Slots
from pagecast.server.rpc.errors import Refusal

MODEL_NOT_LOADED = "MODEL_NOT_LOADED"
MODEL_FAILED = "MODEL_FAILED"
"""Why a page is degraded, or refused, as clients and metrics see it."""


def model_failed() -> Refusal:
    return Refusal(
        code=grpc.StatusCode.UNAVAILABLE,
        reason=MODEL_FAILED,
        message="the model failed on the way: the rows so far stand, ask for another page",
    )


def reader_too_slow() -> Refusal:
    return Refusal(
        code=grpc.StatusCode.RESOURCE_EXHAUSTED,
        reason="READER_TOO_SLOW",
        message="the stream is not read: read it as it comes, or ask for a shorter page",
    )


def at_capacity(slots: Slots) -> Refusal:
    """There is no place for a page, or no longer one."""
    delay_ms = slots.retry_delay_ms
    return Refusal(
        code=grpc.StatusCode.RESOURCE_EXHAUSTED,
        reason="SLOTS_EXHAUSTED",
        message=f"the server is at capacity: try again in {delay_ms} ms",
        retry_delay_ms=delay_ms,
    )


def too_many_browses(most: str, retry_delay_ms: int) -> Refusal:
    return Refusal(
        code=grpc.StatusCode.RESOURCE_EXHAUSTED,
        reason="BROWSES_EXHAUSTED",
        message=f"{most} are being browsed: use StreamHomepage, or another replica",
        retry_delay_ms=retry_delay_ms,
    )


def browse_not_begun(seconds: float) -> Refusal:
    return Refusal(
        code=grpc.StatusCode.DEADLINE_EXCEEDED,
        reason="BROWSE_NOT_BEGUN",
        message=f"begin: did not come within {seconds:g} s: send it with the call",
    )


def draining() -> Refusal:
    """A page that is browsed ends because the server stops."""
    return Refusal(
        code=grpc.StatusCode.UNAVAILABLE,
        reason="SERVER_DRAINING",
        message="this server stops: carry the page on, on another one",
    )


def catalog_empty() -> Refusal:
    return Refusal(
        code=grpc.StatusCode.UNAVAILABLE,
        reason="CATALOG_EMPTY",
        message="the catalog has no entities or no rows: publish some and try again",
    )


def time_exceeded() -> Refusal:
    return Refusal(
        code=grpc.StatusCode.DEADLINE_EXCEEDED,
        reason="PAGE_TIME_EXCEEDED",
        message="the page took too long: the rows so far stand; is the server overloaded?",
    )
