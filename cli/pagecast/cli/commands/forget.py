"""`pagecast forget`: erases everything known of a user."""

import sys
from typing import Annotated

import typer

from pagecast.cli.options import AsJson, ServerAddress, StateDir


def forget(
    user: Annotated[str, typer.Argument(help="The user.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    timeout: Annotated[
        float, typer.Option(min=1, max=30, help="Seconds to wait for the receipt.")
    ] = 30.0,
    server: ServerAddress = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Erases a user's history, profile, logged events and served pages, and shows the receipt."""
    from google.protobuf.json_format import MessageToDict

    from pagecast.cli.client import Client
    from pagecast.cli.discovery import server_address
    from pagecast.cli.exits import CommandError
    from pagecast.cli.output import Output
    from pagecast.cli.settings import load_settings

    settings = load_settings(state_dir=state_dir, server_address=server)
    address = server_address(settings)
    if not yes:
        _confirm(user)
    with Client(address) as client:
        receipt = client.forget(user, timeout)
    output = Output(as_json=as_json)
    output.say(f"receipt {receipt.receipt_id}")
    complete = receipt.HasField("completed_at")
    if complete:
        when = receipt.completed_at.ToDatetime()
        output.say(
            f"complete at {when:%Y-%m-%d %H:%M:%S} UTC: "
            f"{receipt.rows_erased} rows of the offline log erased"
        )
    output.document(
        MessageToDict(
            receipt, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        )
    )
    if not complete:
        raise CommandError(
            f"the order stands, but it was not carried out within {timeout:g} s",
            "see whether an ingest worker runs, and ask again",
        )


def _confirm(user: str) -> None:
    """Asks for confirmation. Raises InputError if nobody is there to answer, or answers no."""
    from pagecast.cli.exits import InputError

    if not sys.stdin.isatty():
        raise InputError("forgetting cannot be undone and nobody can be asked", "pass --yes")
    if not typer.confirm(f"Erase everything known of {user!r}? It cannot be undone", err=True):
        raise InputError("nothing was erased")
