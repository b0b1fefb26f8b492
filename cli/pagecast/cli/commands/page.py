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
    """Streams a page, writing rows and entities as they are decoded."""
    from pagecast.cli.page_command import PageCommand

    PageCommand(
        user=user,
        rows=rows,
        entities=entities,
        exact=exact,
        seed=seed,
        temperature=temperature,
        top_p=top_p,
        device=device,
        country=country,
        carry_on=carry_on,
        replay=replay,
        browse=browse,
        click=click or (),
        play=play or (),
        hide=hide or (),
        rows_ahead=rows_ahead,
        server=server,
        state_dir=state_dir,
        as_json=as_json,
    ).run()
