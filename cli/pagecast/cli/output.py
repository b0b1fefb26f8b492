"""Where a command writes: for people, or one JSON document as the last line of stdout."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table
from rich.text import Text

NAME_CHARACTERS_MAX = 40
"""Anything longer is a text, which may wrap; half of a narrow terminal is enough for a name."""


class Output:
    """With `as_json`, what is for people goes to stderr, so that stdout has only the document."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.console = Console(stderr=as_json, highlight=False)

    def say(self, *parts: str | tuple[str, str]) -> None:
        """Writes a line of texts as they are; a pair is a text and its style."""
        self.console.print(Text.assemble(*parts))

    def document(self, value: Mapping[str, Any] | Sequence[Any]) -> None:
        """Writes the JSON document; does nothing when people read."""
        if self.as_json:
            sys.stdout.write(json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n")
            sys.stdout.flush()

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table of texts as they are. Nothing is cut off, and a name in the first column, which
        other commands may need, is not broken."""
        names, *others = columns
        in_one_piece = max((len(row[0]) for row in rows), default=0) <= NAME_CHARACTERS_MAX
        table = Table(
            Column(names, no_wrap=in_one_piece, overflow="fold"),
            *(Column(name, overflow="fold") for name in others),
            title=Text(title) if title else None,
            title_justify="left",
            box=None,
            pad_edge=False,
        )
        for row in rows:
            table.add_row(*map(Text, row))
        self.console.print(table)


def report_warning(text: str) -> None:
    """One line on stderr."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(f"[bold yellow]warning:[/] {escape(text)}")


def report_error(text: str, details: str = "") -> None:
    """One line on stderr, and the details as they are."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(f"[bold red]error:[/] {escape(' '.join(text.split()))}")
    for line in details.splitlines():
        console.print(f"  {line}", style="dim", markup=False)
