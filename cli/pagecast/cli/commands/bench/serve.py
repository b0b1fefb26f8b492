"""`pagecast bench serve`: what a page costs."""

from typing import Annotated

import typer

from pagecast.cli.options import AsJson, StateDir

SERVE_ENTITIES, SERVE_PROMPT = 20_000, 260
"""The shape that the figures are for."""

SERVE_ROUNDS, SERVE_SECONDS, SERVE_CLIENTS = 5, 10.0, "1,4,16,64"
"""Pages of each way of decoding, seconds of each closed loop, and clients."""

CATALOGS = "10000,100000,1000000"
"""Sizes of the catalogs with which masks and steps are measured."""

SERVE_SWAPS = 20


def serve(
    entities: Annotated[
        int, typer.Option(min=1000, help="Entities of the catalog.")
    ] = SERVE_ENTITIES,
    rounds: Annotated[int, typer.Option(min=1, help="Turns of each way of decoding.")] = (
        SERVE_ROUNDS
    ),
    seconds: Annotated[
        float, typer.Option(min=0.5, help="Seconds of each closed loop.")
    ] = SERVE_SECONDS,
    clients: Annotated[
        str, typer.Option(help="Clients of the closed loops, smallest first.")
    ] = SERVE_CLIENTS,
    provider: Annotated[
        str, typer.Option(help="What runs our graphs: cpu, or cuda beside the CPU.")
    ] = "cpu",
    mask_entities: Annotated[
        str, typer.Option(help="Entities of the catalogs whose masks are measured; empty: none.")
    ] = CATALOGS,
    step_entities: Annotated[
        str, typer.Option(help="Entities of the catalogs at which steps are measured; empty: none.")
    ] = CATALOGS,
    tables: Annotated[
        str,
        typer.Option(
            help="Some of alone,masks,steps,grpc,open-loop,overload,transport,floor,workers,"
            "events,swaps.",
            show_default="all",
        ),
    ] = "",
    swaps: Annotated[
        int, typer.Option(min=0, help="Swaps of the champion under load; 0: none.")
    ] = SERVE_SWAPS,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """What a page costs, alone and among others, beside plainer ways to decode it.

    Makes a catalog and a model of random weights and starts servers on them; the table `events`
    also starts a broker and an ingest worker. On a quiet machine all of it takes about half an
    hour.
    """
    from pagecast.cli.bench.cpu import use_one_thread

    use_one_thread()
    from pagecast.cli.bench.machine import BENCH_FOLDER, Circumstances
    from pagecast.cli.bench.serve.config import TABLES, ServeBenchConfig
    from pagecast.cli.bench.serve.parts import measure_serve
    from pagecast.cli.bench.table import show_circumstances, show_rows
    from pagecast.cli.exits import InputError
    from pagecast.cli.logs import configure_logging
    from pagecast.cli.output import Output
    from pagecast.cli.settings import load_settings
    from pagecast.engine.providers import Provider, ProviderMissingError, usable_provider

    settings = load_settings(state_dir=state_dir)
    configure_logging(settings, level="error")
    output = Output(as_json=as_json)
    try:
        config = ServeBenchConfig(
            folder=settings.state_dir / BENCH_FOLDER,
            entities=entities,
            provider=usable_provider(Provider(provider), fallback=False),
            prompt=SERVE_PROMPT,
            rounds=rounds,
            seconds=seconds,
            clients=[int(number) for number in clients.split(",")],
            mask_entities=[int(number) for number in mask_entities.split(",") if number],
            step_entities=[int(number) for number in step_entities.split(",") if number],
            swaps=swaps,
            tables=[name for name in tables.split(",") if name] or TABLES,
        )
    except (ValueError, ProviderMissingError) as error:
        raise InputError(str(error)) from error
    config.folder.mkdir(parents=True, exist_ok=True)
    circumstances = Circumstances.now()
    rows = measure_serve(config, output.say)
    show_rows(output, rows)
    show_circumstances(output, circumstances)
    output.document({**circumstances.to_dict(), "rows": [row.to_dict() for row in rows]})
