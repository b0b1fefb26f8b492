"""A refusal becomes a status that a program can read."""

import grpc
from google.rpc import error_details_pb2, status_pb2

from pagecast.server.rpc.errors import FieldViolation, Refusal, invalid_argument, to_status


def details(refusal: Refusal) -> status_pb2.Status:
    [(key, packed)] = to_status(refusal).trailing_metadata
    assert key == "grpc-status-details-bin"
    return status_pb2.Status.FromString(packed)


def test_every_status_names_reason_and_domain() -> None:
    refusal = Refusal(
        code=grpc.StatusCode.NOT_FOUND,
        reason="MODEL_UNKNOWN",
        message="no model 1: list them",
        metadata={"version": "1"},
    )
    status = details(refusal)
    assert (status.code, status.message) == (5, "no model 1: list them")
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert (info.reason, info.domain, info.metadata["version"]) == (
        "MODEL_UNKNOWN",
        "pagecast",
        "1",
    )


def test_bad_input_names_its_fields() -> None:
    refusal = invalid_argument(
        FieldViolation(path="context.country", description="must be two letters"),
        FieldViolation(path="rows", description="must be at most 40"),
    )
    assert str(refusal).startswith("INVALID_ARGUMENT INVALID_REQUEST: context.country: must be")
    bad = error_details_pb2.BadRequest()
    assert details(refusal).details[1].Unpack(bad)
    assert [v.field for v in bad.field_violations] == ["context.country", "rows"]


def test_what_may_be_tried_again_says_when() -> None:
    refusal = Refusal(
        code=grpc.StatusCode.RESOURCE_EXHAUSTED,
        reason="SLOTS_EXHAUSTED",
        message="busy",
        retry_delay_ms=250,
    )
    retry = error_details_pb2.RetryInfo()
    assert details(refusal).details[1].Unpack(retry)
    assert retry.retry_delay.ToMilliseconds() == 250


def test_what_is_said_again_is_said_of_each_delay_anew() -> None:
    """A status is packed once for all refusals that are alike."""
    told = []
    for delay_ms in (250, 300, 250, None):
        refusal = Refusal(
            code=grpc.StatusCode.RESOURCE_EXHAUSTED,
            reason="SLOTS_EXHAUSTED",
            message="busy",
            retry_delay_ms=delay_ms,
        )
        retry = error_details_pb2.RetryInfo()
        found = any(detail.Unpack(retry) for detail in details(refusal).details)
        told.append(retry.retry_delay.ToMilliseconds() if found else None)
    assert told == [250, 300, 250, None]
