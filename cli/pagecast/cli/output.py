"""Where a command writes: for people, or one JSON document as the last line of stdout."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table


class Output:
    """With `as_json`, what is for people goes to stderr, so that stdout is the document alone."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.console = Console(stderr=as_json, highlight=False)

    def say(self, text: str = "") -> None:
        self.console.print(text)

    def document(self, value: Mapping[str, Any] | Sequence[Any]) -> None:
        """Writes the JSON document; does nothing when people read."""
        if self.as_json:
            sys.stdout.write(json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n")
            sys.stdout.flush()

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        table = Table(*columns, title=title or None, title_justify="left", box=None, pad_edge=False)
        for row in rows:
            table.add_row(*row)
        self.console.print(table)


def report_error(text: str, details: str = "") -> None:
    """One line on stderr, and the details as they are."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(f"[bold red]error:[/] {escape(' '.join(text.split()))}")
    for line in details.splitlines():
        console.print(f"  {line}", style="dim", markup=False)
