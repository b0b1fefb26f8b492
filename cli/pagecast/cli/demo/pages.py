"""Step 6: pages for a few people, written as they are decoded."""

from collections.abc import Sequence
from functools import partial

from pagecast.cli.demo.stage import CheckFailedError, Stage
from pagecast.cli.pages import Page
from pagecast.cli.pageview import PageView
from pagecast.v1 import homepage_pb2


def show_page(
    stage: Stage, user_id: str, *, at_ms: int | None = None, marked: Sequence[str] = ()
) -> Page:
    """Streams a page to the terminal, entity by entity."""
    view = PageView(stage.console, marked)
    page = stage.page(
        user_id,
        at_ms=at_ms,
        granularity=homepage_pb2.GRANULARITY_ENTITIES,
        on_piece=view.show,
    )
    stage.console.print(
        f"  [dim]first row {page.first_row_ms:.0f} ms · page {page.page_ms:.0f} ms · "
        f"model {page.started.model_version}[/]"
    )
    return page


def show_pages(stage: Stage, people: Sequence[tuple[str, str]], model_version: str) -> None:
    """Of (user id, who that is) each. Raises CheckFailedError if a page is not the new model's."""
    for user_id, who in people:
        stage.console.print(f"\n  [bold]{who}[/]")
        page = stage.sound(partial(show_page, stage, user_id))
        if page.started.model_version != model_version:
            raise CheckFailedError(
                f"the page of {user_id} is of {page.started.model_version}, not {model_version}"
            )
