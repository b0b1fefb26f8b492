"""Errors as clients see them: gRPC status with google.rpc details, never inside an OK message.

Handlers raise `Refusal`; the interceptor turns it into a status. Every status carries an ErrorInfo
(reason in UPPER_SNAKE, domain `pagecast`), for bad input also a BadRequest that names the field,
and where another try is worth it a RetryInfo.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

DOMAIN = "pagecast"

FEATURE_STORE_UNAVAILABLE = "FEATURE_STORE_UNAVAILABLE"
"""Why a page is degraded, and other calls are refused, as clients and metrics see it."""

STATUSES_KEPT = 64
"""Statuses packed once because they say nothing of their request: a few hundred bytes each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldViolation:
    """What is wrong with one field; `path` is as in the proto, for example `context.country`."""

    path: str
    description: str


@dataclass(kw_only=True)
class Refusal(Exception):  # noqa: N818 - not every refusal is an error of ours
    """An RPC ends with `code`; `message` says what to do about it and names no user."""

    code: grpc.StatusCode
    reason: str
    message: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    violations: Sequence[FieldViolation] = ()
    retry_delay_ms: int | None = None

    def __str__(self) -> str:
        return f"{self.code.name} {self.reason}: {self.message}"


def invalid_argument(*violations: FieldViolation) -> Refusal:
    """INVALID_ARGUMENT that names every field which broke a rule."""
    told = "; ".join(f"{v.path}: {v.description}" for v in violations)
    return Refusal(
        code=grpc.StatusCode.INVALID_ARGUMENT,
        reason="INVALID_REQUEST",
        message=told,
        violations=violations,
    )


def registry_unavailable() -> Refusal:
    """The database of models, trainings and experiments does not answer."""
    return Refusal(
        code=grpc.StatusCode.UNAVAILABLE,
        reason="REGISTRY_UNAVAILABLE",
        message="the registry is not to be reached, or does not answer in time: try again",
    )


def feature_store_unavailable() -> Refusal:
    """The online store does not answer, and the call is of no use without it."""
    return Refusal(
        code=grpc.StatusCode.UNAVAILABLE,
        reason=FEATURE_STORE_UNAVAILABLE,
        message="histories cannot be read at the moment: try again",
    )


def to_status(refusal: Refusal) -> grpc.Status:
    """The gRPC status, its details packed into the trailing metadata."""
    if refusal.metadata or refusal.violations:
        return _status(refusal)
    return _plain_status(refusal.code, refusal.reason, refusal.message, refusal.retry_delay_ms)


@lru_cache(STATUSES_KEPT)
def _plain_status(
    code: grpc.StatusCode, reason: str, message: str, retry_delay_ms: int | None
) -> grpc.Status:
    """Cached: an overloaded server says the same again and again."""
    return _status(
        Refusal(code=code, reason=reason, message=message, retry_delay_ms=retry_delay_ms)
    )


def _status(refusal: Refusal) -> grpc.Status:
    code, _ = refusal.code.value
    status = status_pb2.Status(code=code, message=refusal.message)
    status.details.extend(_packed(detail) for detail in _details(refusal))
    return rpc_status.to_status(status)


def _details(refusal: Refusal) -> list[Message]:
    details: list[Message] = [
        error_details_pb2.ErrorInfo(
            reason=refusal.reason, domain=DOMAIN, metadata=dict(refusal.metadata)
        )
    ]
    if refusal.violations:
        bad = error_details_pb2.BadRequest()
        for violation in refusal.violations:
            bad.field_violations.add(field=violation.path, description=violation.description)
        details.append(bad)
    if refusal.retry_delay_ms is not None:
        delay = Duration()
        delay.FromMilliseconds(refusal.retry_delay_ms)
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    return details


def _packed(message: Message) -> Any:
    packed = Any()
    packed.Pack(message)
    return packed
