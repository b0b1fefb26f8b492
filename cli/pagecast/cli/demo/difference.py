"""What two pages of the same user differ in."""

from collections.abc import Collection
from dataclasses import dataclass

from pagecast.cli.pages import Page


@dataclass(frozen=True, kw_only=True)
class Difference:
    """From one page to another, without what the disappearance of `watched` alone explains."""

    rows_new: tuple[str, ...]
    """Titles of rows that were not there."""
    rows_gone: tuple[str, ...]
    """Titles of rows that are no longer there."""
    rows_moved: tuple[str, ...]
    """Titles of rows whose place among the rows of both pages has changed."""
    entities_new: tuple[str, ...]
    """Titles of entities that were nowhere on the page."""
    entities_gone: tuple[str, ...]
    """Titles of entities that are nowhere on the page, not counting the watched ones."""

    @property
    def beyond_removal(self) -> bool:
        """Whether more happened than watched entities leaving and others moving up."""
        return bool(self.rows_new or self.rows_gone or self.rows_moved or self.entities_gone)


def difference(before: Page, after: Page, watched: Collection[str]) -> Difference:
    """Compares by row and argument, and by entity."""
    rows_before, rows_after = _rows(before), _rows(after)
    order_before = [key for key in rows_before if key in rows_after]
    order_after = [key for key in rows_after if key in rows_before]
    titles_before, titles_after = _titles(before), _titles(after)
    gone = titles_before.keys() - titles_after.keys() - set(watched)
    return Difference(
        rows_new=tuple(title for key, title in rows_after.items() if key not in rows_before),
        rows_gone=tuple(title for key, title in rows_before.items() if key not in rows_after),
        rows_moved=tuple(
            rows_after[now]
            for was, now in zip(order_before, order_after, strict=True)
            if was != now
        ),
        entities_new=tuple(t for key, t in titles_after.items() if key not in titles_before),
        entities_gone=tuple(t for key, t in titles_before.items() if key in gone),
    )


def _rows(page: Page) -> dict[tuple[str, str], str]:
    return {(row.row_id, row.argument_entity_id): row.title for row in page.rows}


def _titles(page: Page) -> dict[str, str]:
    return {e.entity_id: e.title for row in page.rows for e in row.entities}
