"""Step 1 of the life of a page, for every RPC: what arrives is parsed, then held to its proto."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from protovalidate import Validator

from pagecast.eventlog.violations import field_of, told
from pagecast.server.rpc.errors import FieldViolation, Refusal, invalid_argument

Deserializer = Callable[[bytes], Any]

Request = TypeVar("Request", bound=Message)

Method = TypeVar("Method", bound=Callable[..., Any])

_VALIDATOR = Validator()
"""Compiles the rules of a message type once; later validations cost some microseconds."""


@dataclass(frozen=True, slots=True)
class Malformed:
    """Stands for a request that is no protobuf of its type."""

    reason: str


def tolerant(deserialize: Deserializer) -> Deserializer:
    """Returns `Malformed` where `deserialize` raises: grpc.aio would answer UNKNOWN."""

    def parse(data: bytes) -> Any:
        try:
            return deserialize(data)
        except DecodeError as error:
            return Malformed(str(error))

    return parse


def checks_itself(method: Method) -> Method:
    """Marks an RPC that checks its requests, `Malformed` ones too, in its own way.

    The interceptor leaves them alone.
    """
    method.checks_itself = True  # type: ignore[attr-defined]
    return method


def check(request: Message | Malformed) -> None:
    """Raises Refusal (INVALID_ARGUMENT) unless `request` keeps every rule of its proto."""
    message = check_parsed(request)
    violations = [violation.proto for violation in _VALIDATOR.collect_violations(message)]
    if violations:
        raise invalid_argument(
            *(FieldViolation(path=field_of(v), description=told(v, message)) for v in violations)
        )


def check_parsed(request: Request | Malformed) -> Request:
    """The request. Raises Refusal (INVALID_ARGUMENT) if it is no message."""
    if isinstance(request, Malformed):
        raise Refusal(
            code=grpc.StatusCode.INVALID_ARGUMENT,
            reason="MALFORMED_REQUEST",
            message="the request is not a valid protobuf message of the method's request type",
        )
    return request
