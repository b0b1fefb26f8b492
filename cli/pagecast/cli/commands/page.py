"""`pagecast page`: one page, streamed to the terminal."""

from typing import Annotated

import typer

from pagecast.cli.options import AsJson, ServerAddress, StateDir


def page(
    user: Annotated[
        str, typer.Argument(help="The user; an unknown one gets a first page.", show_default=False)
    ] = "",
    rows: Annotated[int, typer.Option(min=0, max=40, help="Rows; 0 is the server's default.")] = 0,
    entities: Annotated[
        int, typer.Option(min=0, max=40, help="Entities of a row; 0 is the server's default.")
    ] = 0,
    exact: Annotated[
        str,
        typer.Option(
            metavar="K,...",
            help="Entities of a row decoded one by one, by its position: 10,3,1. The last counts "
            "for all rows below, too.",
            show_default="the server's",
        ),
    ] = "",
    seed: Annotated[int, typer.Option(min=0, max=2**64 - 1, help="Seed of random choices.")] = 0,
    temperature: Annotated[
        float, typer.Option(min=0, max=10, help="Draws rows and entities; 0 takes the best.")
    ] = 0.0,
    top_p: Annotated[
        float, typer.Option(min=0, max=1, help="Draws among the likeliest with this probability.")
    ] = 1.0,
    device: Annotated[str, typer.Option(help="Device class, such as tv.")] = "",
    country: Annotated[str, typer.Option(help="ISO 3166-1 alpha-2, such as DE.")] = "",
    carry_on: Annotated[
        str,
        typer.Option(
            "--continue",
            metavar="TOKEN",
            help="Carries on a page: the `continuation` of --json. --rows are further ones.",
        ),
    ] = "",
    replay: Annotated[
        str,
        typer.Option(
            metavar="PAGE_ID",
            help="Decodes a logged page again from its record; needs no user and no server.",
        ),
    ] = "",
    browse: Annotated[
        bool,
        typer.Option("--browse", help="Browses the page: rows follow what is done on those above."),
    ] = False,
    click: Annotated[
        list[str] | None,
        typer.Option(metavar="ROW:POSITION", help="With --browse: clicks what stands there."),
    ] = None,
    play: Annotated[
        list[str] | None,
        typer.Option(metavar="ROW:POSITION", help="With --browse: plays it."),
    ] = None,
    hide: Annotated[
        list[str] | None,
        typer.Option(metavar="ROW:POSITION", help="With --browse: hides it."),
    ] = None,
    rows_ahead: Annotated[
        int,
        typer.Option(min=0, max=40, help="With --browse: rows decoded ahead; 0 is the server's."),
    ] = 1,
    server: ServerAddress = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Streams a page: rows and entities are written as they are decoded."""
    from pagecast.cli.browsing import Reader, browsed, deeds_of
    from pagecast.cli.client import Client
    from pagecast.cli.discovery import server_address
    from pagecast.cli.exact import exact_of
    from pagecast.cli.exits import InputError
    from pagecast.cli.output import Output
    from pagecast.cli.pages import gather
    from pagecast.cli.pageview import PageView
    from pagecast.cli.settings import load_settings
    from pagecast.v1 import events_pb2, homepage_pb2

    settings = load_settings(state_dir=state_dir, server_address=server)
    output = Output(as_json=as_json)
    if bool(user) == bool(replay):
        raise InputError("name a user, or a page with --replay", "for example `pagecast page 12`")
    if replay:
        from pagecast.cli.logs import configure_logging
        from pagecast.cli.replaying import replay_page

        # Loading a bundle is logged, and stdout is for the document.
        configure_logging(settings, level="warning")
        replay_page(replay, settings, output)
        return
    *exact_by_row, exact_below = exact_of(exact)
    try:
        request = homepage_pb2.StreamHomepageRequest(
            user_id=user,
            context=events_pb2.RequestContext(device=device, country=country),
            rows=rows,
            entities_per_row=entities,
            exact_entities=exact_below,
            exact_entities_by_row=exact_by_row,
            granularity=homepage_pb2.GRANULARITY_ENTITIES,
            seed=seed,
            continuation=carry_on,
            sampling=events_pb2.Sampling(temperature=temperature, top_p=top_p),
        )
    except ValueError as error:
        raise InputError(
            f"what is told is no UTF-8: {error}", "mend the user, --device, --country or --continue"
        ) from error
    view = PageView(output.console)
    deeds = [
        deed
        for action, places in (("click", click), ("play", play), ("hide", hide))
        for deed in deeds_of(action, places or ())
    ]
    if deeds and not browse:
        raise InputError(
            "--click, --play and --hide are for a page that is browsed", "add --browse"
        )
    reader = Reader(request, deeds, rows_ahead)
    with Client(server_address(settings)) as client:
        if browse:
            shown = browsed(client, reader, view, output)
        else:
            shown = gather(client.stream_page(request), view.show)
    version = shown.started.model_version or f"none ({shown.started.degraded_reason})"
    output.say(
        (
            f"first row {shown.first_row_ms:.0f} ms · page {shown.page_ms:.0f} ms · "
            f"model {version}",
            "dim",
        )
    )
    output.document({**shown.to_dict(), **(reader.to_dict() if browse else {})})
    if browse:
        reader.refuse_undone()
