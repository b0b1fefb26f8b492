"""Turns the recorded output of a terminal run into the README's picture.

FORCE_COLOR=1 TTY_INTERACTIVE=0 COLUMNS=100 pagecast demo > run.ansi
python docs/picture.py run.ansi docs/demo.svg
"""

import io
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

WIDTH = 100
CURSOR = re.compile(r"\x1b\[\?25[lh]")


def main() -> None:
    source, target = map(Path, sys.argv[1:])
    text = CURSOR.sub("", source.read_text())
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(text))
    console.save_svg(str(target), title="make demo")


if __name__ == "__main__":
    main()
