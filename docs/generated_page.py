"""A page made from the code: written, or compared with the file that is there."""

import argparse
import sys
from pathlib import Path


def write_or_check(page: Path, text: str) -> int:
    """Writes the page, or with `--check` compares it; returns the exit code."""
    parser = argparse.ArgumentParser(description=f"Makes docs/{page.name} from the code.")
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    if not parser.parse_args().check:
        page.write_text(text)
    elif not page.exists() or page.read_text() != text:
        sys.stderr.write(f"docs/{page.name} is out of date: run `make docs`\n")
        return 1
    return 0
