"""Writes docs/settings.md from the classes of the settings; `--check` fails if it is out of date.

A setting is described once, by the string below it where it is declared.
"""

import ast
import inspect
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from generated_page import write_or_check
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from pagecast.cli.exits import ExitCode
from pagecast.cli.settings import Settings

PAGE = Path(__file__).parent / "settings.md"

HEADER = """# Settings

What every command starts from. This page is made from the code (`make docs`). Where a default is
unset, the words beside it, or those of its section, say what holds then.

The first that says something counts:

1. an option of the command, such as `pagecast serve --port 50052` (`pagecast COMMAND --help` lists
   them; not every setting has one),
2. a variable `PAGECAST_...` of the environment that is not empty,
3. the file `pagecast.toml` in the directory a command is run in,
4. the default.

A section is a table of the file, and two underscores in a variable: `port` of `[serve]` is
`PAGECAST_SERVE__PORT`, and `seed` of `[train.align]` is `PAGECAST_TRAIN__ALIGN__SEED`. A list or a
table is JSON in a variable. Names that the file or a section does not have, and values that cannot
be, are refused by name, with exit code 2. Keep secrets (`continuation_key`, URLs with passwords) in
variables or the file: options can be read by everybody on the machine. `PAGECAST_DEBUG=1` is no
setting: it shows tracebacks, as `pagecast --debug` does.

```toml
bootstrap_servers = "kafka-1:9092,kafka-2:9092"
database_url = "postgresql+psycopg://pagecast@db/pagecast"

[serve]
host = "10.0.0.7"
insecure = true
workers = 4
```
"""

EXITS = """## Exit codes

| code | means |
|---|---|
"""

BOUNDS: dict[type, tuple[str, str]] = {
    Ge: ("ge", "≥"),
    Gt: ("gt", ">"),
    Le: ("le", "≤"),
    Lt: ("lt", "<"),
}
KINDS = {bool: "true or false", int: "whole number", float: "number"}


def described(kind: type) -> dict[str, str]:
    """The strings below a class's declarations, by name."""
    [declared] = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(declared, ast.ClassDef)
    texts = {}
    for node, following in zip(declared.body, declared.body[1:], strict=False):
        if not isinstance(node, ast.Assign | ast.AnnAssign) or not isinstance(following, ast.Expr):
            continue
        target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
        if isinstance(target, ast.Name) and isinstance(following.value, ast.Constant):
            texts[target.id] = " ".join(str(following.value.value).split())
    return texts


def tables(kind: type[BaseModel], name: str = "") -> Iterator[str]:
    """A section and those below it."""
    texts = described(kind)
    yield f"## `[{name}]`\n" if name else "## Of every command\n"
    if name:
        yield " ".join((inspect.getdoc(kind) or "").split()) + "\n"
    lines, sections = ["| setting | is | default | |", "|---|---|---|---|"], []
    for setting, field in kind.model_fields.items():
        if isinstance(field.default, BaseModel):
            sections.append((type(field.default), f"{name}.{setting}" if name else setting))
        else:
            told = texts[setting].replace("|", "/")
            lines.append(f"| `{setting}` | {_may_be(field)} | {_default(field)} | {told} |")
    yield "\n".join(lines) + "\n"
    for section in sections:
        yield from tables(*section)


def _may_be(field: FieldInfo) -> str:
    kind: Any = field.annotation
    if NoneType in get_args(kind):
        [kind] = [one for one in get_args(kind) if one is not NoneType]
    if get_origin(kind) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(kind))
    if get_origin(kind) is not None:
        return "table" if get_origin(kind) is dict else "list"
    limits = [
        f"{sign} {getattr(bound, attribute):g}"
        for bound in field.metadata
        for attribute, sign in [BOUNDS.get(type(bound), ("", ""))]
        if sign
    ]
    return " ".join([KINDS.get(kind, "text"), ", ".join(limits)]).strip()


def _default(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True)
    if default in (None, (), {}):
        return "unset"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def page() -> str:
    """Renders the page."""
    told = described(ExitCode)
    codes = [f"| {int(code)} | {told[code.name]} |" for code in ExitCode]
    return "\n".join([HEADER, *tables(Settings), EXITS + "\n".join(codes)]) + "\n"


if __name__ == "__main__":
    sys.exit(write_or_check(PAGE, page()))
