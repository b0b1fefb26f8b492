"""How a page that cannot be made, or not to its end, is refused."""

import grpc

from pagecast.server.errors import Refusal
from pagecast.server.slots import Slots

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
    """No place for a page, or not any more."""
    delay_ms = slots.retry_delay_ms
    return Refusal(
        code=grpc.StatusCode.RESOURCE_EXHAUSTED,
        reason="SLOTS_EXHAUSTED",
        message=f"the server is at capacity: try again in {delay_ms} ms",
        retry_delay_ms=delay_ms,
    )


def time_exceeded() -> Refusal:
    return Refusal(
        code=grpc.StatusCode.DEADLINE_EXCEEDED,
        reason="PAGE_TIME_EXCEEDED",
        message="the page took too long: the rows so far stand; is the server overloaded?",
    )
