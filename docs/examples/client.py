"""Streams one homepage to the terminal: `python docs/examples/client.py USER`.

Needs what `pip install pagecast grpcio-status` installs: the stubs, grpc, and the error details.
"""

import argparse
import sys
import time
from typing import cast

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from pagecast.v1 import events_pb2, homepage_pb2, homepage_pb2_grpc

PAGE_TIME_MAX_S = 2.0
"""How long the person in front of the screen will wait. Rows that came in time are kept."""

ATTEMPTS_MAX = 3
"""A busy server says when to come back; do so a few times, not for ever."""


def show(message: homepage_pb2.StreamHomepageResponse) -> None:
    """Prints a piece of a page: the first one, each row, the last one."""
    match message.WhichOneof("event"):
        case "page_started":
            page = message.page_started
            print(f"page {page.page_id}, model {page.model_version or 'none'}")
            if page.degraded_reason:  # a lawful page all the same, only less personal
                print(f"degraded: {page.degraded_reason}")
        case "row_completed":
            titles = [entity.title for entity in message.row_completed.entities]
            print(f"{message.row_completed.row.title}: {', '.join(titles)}")
        case "page_completed":
            milliseconds = message.page_completed.time_to_page.ToMilliseconds()
            print(f"complete after {milliseconds} ms")


def stream(stub: homepage_pb2_grpc.HomepageServiceStub, user_id: str) -> None:
    """Raises grpc.RpcError, at the latest when PAGE_TIME_MAX_S is over."""
    request = homepage_pb2.StreamHomepageRequest(
        user_id=user_id,
        context=events_pb2.RequestContext(device="tv", country="DE", surface="home"),
    )
    for message in stub.StreamHomepage(request, timeout=PAGE_TIME_MAX_S):
        show(message)


def retry_delay_s(failed: grpc.Call) -> float | None:
    """The seconds after which the server asks to be tried again; None if it does not."""
    status = rpc_status.from_call(failed)
    retry = error_details_pb2.RetryInfo()
    for detail in status.details if status else ():
        if detail.Unpack(retry):
            delay_s: float = retry.retry_delay.ToMilliseconds() / 1000
            return delay_s
    return None


def explain(failed: grpc.Call) -> str:
    """One line for people: the reason, and the fields of bad input."""
    parts = [failed.code().name, failed.details() or ""]
    status = rpc_status.from_call(failed)
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details if status else ():
        if detail.Unpack(info):
            parts.insert(1, info.reason)
        elif detail.Unpack(bad):
            parts += [f"see field {violation.field}" for violation in bad.field_violations]
    return " | ".join(parts)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("user_id")
    arguments.add_argument("--target", default="127.0.0.1:50051", help="host:port of the server")
    told = arguments.parse_args()
    with grpc.insecure_channel(told.target) as channel:
        stub = homepage_pb2_grpc.HomepageServiceStub(channel)
        for _ in range(ATTEMPTS_MAX):
            try:
                stream(stub, told.user_id)
                return 0
            except grpc.RpcError as error:
                failed = cast("grpc.Call", error)  # what is raised is the call itself
                print(explain(failed), file=sys.stderr)
                delay_s = retry_delay_s(failed)
                if delay_s is None:
                    return 1
                time.sleep(delay_s)
    return 1


if __name__ == "__main__":
    sys.exit(main())
