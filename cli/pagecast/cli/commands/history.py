"""`pagecast history`: what the platform remembers of a user."""

from typing import Annotated

import typer

from pagecast.cli.options import AsJson, ServerAddress, StateDir


def history(
    user: Annotated[str, typer.Argument(help="The user.")],
    steps: Annotated[int, typer.Option(min=1, max=512, help="Newest steps to show.")] = 20,
    server: ServerAddress = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Shows the newest steps of a user's history, as the next page would see them."""
    from google.protobuf.json_format import MessageToDict

    from pagecast.cli.client import Client
    from pagecast.cli.discovery import server_address
    from pagecast.cli.exits import CommandError
    from pagecast.cli.output import Output
    from pagecast.cli.settings import load_settings

    settings = load_settings(state_dir=state_dir, server_address=server)
    with Client(server_address(settings)) as client:
        found = client.history(user, steps)
    if found is None:
        raise CommandError(
            f"user {user!r} has no history", "publish events of this user, or see `pagecast doctor`"
        )
    output = Output(as_json=as_json)
    output.table(
        "",
        ("when", "action", "entity", "rating", "watched", "events"),
        [
            (
                f"{step.occurred_at.ToDatetime():%Y-%m-%d %H:%M:%S}",
                step.action,
                step.entity_id,
                f"{step.rating:g}" if step.HasField("rating") else "",
                f"{step.watched.seconds} s" if step.watched.seconds else "",
                str(step.events),
            )
            for step in found.steps
        ],
    )
    version = found.version
    output.say((f"partition {version.partition}, next offset {version.next_offset}", "dim"))
    output.document(MessageToDict(found, preserving_proto_field_name=True))
