"""Writes docs/limits.md from the named constants in the code; `--check` fails if it is out of date.

A limit is a module-level constant in capitals, made of numbers, with its reason as the string below
it. So a limit is described once, where it is enforced.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from generated_page import write_or_check

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "limits.md"
FOLDERS = ("featurestore", "streaming", "trainer", "server", "simulator", "cli")
OPERATIONAL = ("_MAX", "_MIN", "_MS", "_S", "_SECONDS", "_BYTES", "TOGETHER", "_KIB")
"""Endings that tell an operational number from a bucket count or a mathematical constant."""

HEADER = """# Limits

Every queue, loop, cache, retry and stream has a bound, each a named constant. This page is made
from the code (`make docs`); the contracts' own bounds (ids of 256 bytes, 40 rows of 40 entities and
so on) stand in `protos/pagecast/v1/*.proto`.
"""


def constants(tree: ast.Module) -> Iterator[tuple[str, str, str]]:
    """Yields (name, value, reason) of each documented numeric constant."""
    for node, following in zip(tree.body, tree.body[1:], strict=False):
        if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
            continue
        target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
        if not isinstance(target, ast.Name):
            continue
        name = target.id
        reason = following.value if isinstance(following, ast.Expr) else None
        if not name.isupper() or not isinstance(reason, ast.Constant):
            continue
        if name.endswith(OPERATIONAL) and _numeric(node.value):
            yield name.lstrip("_"), ast.unparse(node.value), " ".join(str(reason.value).split())


def _numeric(expression: ast.expr) -> bool:
    allowed = (ast.Constant, ast.BinOp, ast.operator, ast.Name, ast.Load)
    return all(isinstance(part, allowed) for part in ast.walk(expression)) and not any(
        isinstance(part, ast.Constant) and not isinstance(part.value, int | float)
        for part in ast.walk(expression)
    )


def page() -> str:
    """Renders the page."""
    lines = [HEADER]
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            found = list(constants(ast.parse(path.read_text())))
            if not found:
                continue
            lines.append(f"## `{path.relative_to(ROOT)}`\n\n| limit | value | why |\n|---|---|---|")
            for name, value, reason in found:
                told = value.replace("**", "^").replace("*", "×")
                lines.append(f"| `{name}` | {told} | {reason.replace('|', '/')} |")
            lines.append("")
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    sys.exit(write_or_check(PAGE, page()))
