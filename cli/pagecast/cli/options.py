"""Options that several commands share, each defined once."""

from pathlib import Path
from typing import Annotated

import typer

StateDir = Annotated[
    Path | None,
    typer.Option(help="Where everything is kept.", show_default=".pagecast"),
]
BootstrapServers = Annotated[
    str | None,
    typer.Option(
        help="Kafka, as host:port[,host:port...].", show_default="the local stack's broker"
    ),
]
ServerAddress = Annotated[
    str | None,
    typer.Option(
        "--server", help="The gRPC server, as host:port.", show_default="the local stack's server"
    ),
]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        help="Catalog and model registry, as SQLAlchemy names it.",
        show_default="SQLite in the state directory",
    ),
]
OnlineStoreUrl = Annotated[
    str | None,
    typer.Option(
        help="Redis or Valkey for histories and profiles (docs/stores.md).",
        show_default="SQLite in the state directory",
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON document, the last line of stdout.")
]
ReadyFile = Annotated[
    Path | None,
    typer.Option(hidden=True, help="Written once it is ready; for the local stack."),
]

Workers = Annotated[
    int | None,
    typer.Option(help="Server processes on the port, each decoding on a core.", show_default="1"),
]


def given(context: typer.Context) -> frozenset[str]:
    """The options given on the command line, as written there: `--hold-out`.

    Compares the name of their source: typer has a click of its own, whose sources are not equal to
    another click's.
    """
    return frozenset(
        max(parameter.opts, key=len)
        for parameter in context.command.params
        if (source := context.get_parameter_source(parameter.name or "")) is not None
        and source.name == "COMMANDLINE"
    )
