"""A page on the terminal, with every row and entity written as it arrives."""

from collections.abc import Collection

from rich.console import Console
from rich.text import Text

from pagecast.cli.pages import Piece
from pagecast.v1 import catalog_pb2, homepage_pb2

TITLE_CHARACTERS_MAX = 28
"""Ten titles of a row fit four lines of a narrow terminal."""

_INDENT, _BETWEEN = "   ", " · "

_KIND_STYLES = {
    catalog_pb2.ENTITY_KIND_SHOW: "blue",
    catalog_pb2.ENTITY_KIND_GAME: "green",
    catalog_pb2.ENTITY_KIND_LIVE_EVENT: "red",
}


class PageView:
    """Feed it the pieces of one page. `marked` entities stand out."""

    def __init__(self, console: Console, marked: Collection[str] = ()) -> None:
        self._console = console
        self._marked = frozenset(marked)
        self._column = 0
        self._streamed = False

    def show(self, piece: Piece) -> None:
        match piece.WhichOneof("event"):
            case "row_started":
                self._streamed = True
                self._row(piece.row_started)
            case "entity_placed":
                self._entity(piece.entity_placed)
            case "row_completed":
                self._completed(piece.row_completed)
            case _:
                pass

    def _row(self, row: homepage_pb2.RowStarted) -> None:
        self._console.print(Text(f"{row.row_position + 1:>2} {row.title}", style="bold"))
        self._column = 0

    def _entity(self, entity: homepage_pb2.EntityPlaced) -> None:
        title = _shortened(entity.title or entity.entity_id)
        lead = _BETWEEN if self._column else _INDENT
        if self._column and self._column + len(lead) + len(title) > self._console.width:
            self._console.print()
            lead, self._column = _INDENT, 0
        style = _KIND_STYLES.get(entity.kind, "")
        if entity.entity_id in self._marked:
            style = "bold reverse"
        self._console.print(Text(lead, style="dim"), end="")
        self._console.print(Text(title, style=style), end="")
        self._column += len(lead) + len(title)

    def _completed(self, row: homepage_pb2.RowCompleted) -> None:
        if not self._streamed:
            self._row(row.row)
            for entity in row.entities:
                self._entity(entity)
        self._console.print()
        self._column = 0


def _shortened(title: str) -> str:
    if len(title) <= TITLE_CHARACTERS_MAX:
        return title
    return title[: TITLE_CHARACTERS_MAX - 1].rstrip() + "…"
