"""What every step of the demo has at hand."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console

from pagecast.cli.client import Client
from pagecast.cli.exits import CommandError
from pagecast.cli.pages import OnPiece, Page, gather
from pagecast.v1 import homepage_pb2

ROWS, ENTITIES = 8, 10
"""The page of the demo."""

SEED = 7
"""Of every page of the demo: two pages differ only in what the platform knows."""

WAIT_SECONDS_MAX = 30.0
"""What has not happened by then is reported as a failed check."""

POLL_SECONDS = 0.01
"""Between two looks at a history: well below the second that is measured."""


class CheckFailedError(CommandError):
    """A check of the demo failed."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Where the demo writes, and the server it talks to."""

    console: Console
    client: Client

    def page(
        self,
        user_id: str,
        *,
        rows: int = ROWS,
        entities: int = ENTITIES,
        at_ms: int | None = None,
        granularity: "homepage_pb2.Granularity.ValueType" = homepage_pb2.GRANULARITY_ROWS,
        on_piece: OnPiece | None = None,
    ) -> Page:
        """A page; `at_ms` is the moment it is for, None means the server's now."""
        request = homepage_pb2.StreamHomepageRequest(
            user_id=user_id,
            rows=rows,
            entities_per_row=entities,
            granularity=granularity,
            seed=SEED,
        )
        if at_ms is not None:
            request.requested_at.FromMilliseconds(at_ms)
        return gather(self.client.stream_page(request), on_piece)

    def sound(self, ask: Callable[[], Page]) -> Page:
        """Asks until a page is not degraded: a busy machine may miss the deadline for a history."""
        deadline = Deadline()
        while reason := (page := ask()).started.degraded_reason:
            deadline.check(f"pages were still degraded ({reason})")
        return page


def heading(console: Console, number: int, text: str) -> None:
    console.print()
    console.print(f"[bold cyan]{number}[/] [bold]{text}[/]")


class Deadline:
    """Runs out `WAIT_SECONDS_MAX` after it was made."""

    def __init__(self) -> None:
        self._until = time.monotonic() + WAIT_SECONDS_MAX

    def check(self, problem: str) -> None:
        """Raises CheckFailedError with the problem that is still there."""
        if time.monotonic() > self._until:
            raise CheckFailedError(f"after {WAIT_SECONDS_MAX:.0f} s {problem}")
