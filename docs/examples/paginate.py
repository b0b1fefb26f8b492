"""Shows a homepage a few rows at a time: `python docs/examples/paginate.py USER`.

A stream that breaks is resumed on another replica, with the rows it would have had.
"""

import argparse
import sys
from collections.abc import Iterator

import grpc

from pagecast.v1 import homepage_pb2, homepage_pb2_grpc

ROWS_AT_ONCE = 3
"""What the person sees before they scroll."""

PAGE_TIME_MAX_S = 2.0

FAILURES_MAX = 3
"""Failures in a row after which to give up: nobody answers."""


class Scrolling:
    """A page in several calls. Only the last continuation needs to be remembered."""

    def __init__(self, targets: list[str], user_id: str) -> None:
        self._targets = targets
        self._user_id = user_id
        self._continuation = ""
        self.is_over = False

    def next_rows(self, rows: int) -> Iterator[homepage_pb2.RowCompleted]:
        """The next rows of the page. Raises grpc.RpcError if no replica can deliver them."""
        failures = 0
        while rows and not self.is_over:
            try:
                for row in self._stream(self._targets[failures % len(self._targets)], rows):
                    rows, failures = rows - 1, 0
                    yield row
            except grpc.RpcError as error:
                failures += 1
                # What is refused for good is refused by every replica.
                temporary = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
                if error.code() not in temporary or failures == FAILURES_MAX:
                    raise

    def _stream(self, target: str, rows: int) -> Iterator[homepage_pb2.RowCompleted]:
        request = homepage_pb2.StreamHomepageRequest(
            user_id=self._user_id, rows=rows, continuation=self._continuation
        )
        with grpc.insecure_channel(target) as channel:
            stub = homepage_pb2_grpc.HomepageServiceStub(channel)
            for message in stub.StreamHomepage(request, timeout=PAGE_TIME_MAX_S):
                if message.HasField("row_completed"):
                    self._continuation = message.row_completed.continuation
                    yield message.row_completed
                elif message.HasField("page_completed"):
                    reason = message.page_completed.finish_reason
                    self.is_over = reason != homepage_pb2.FINISH_REASON_ROWS


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("user_id")
    arguments.add_argument("--target", action="append", help="host:port; once a replica")
    told = arguments.parse_args()
    page = Scrolling(told.target or ["127.0.0.1:50051"], told.user_id)
    while not page.is_over:
        for row in page.next_rows(ROWS_AT_ONCE):
            titles = [entity.title for entity in row.entities]
            print(f"{row.row.row_position + 1}. {row.row.title}: {', '.join(titles)}")
        print("...")
    return 0


if __name__ == "__main__":
    sys.exit(main())
