"""`pagecast bench`: figures beside others of the same run."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pagecast.cli.options import AsJson, StateDir

if TYPE_CHECKING:
    from pagecast.cli.bench.ingest import IngestFigures
    from pagecast.cli.bench.machine import Circumstances
    from pagecast.cli.output import Output

app = typer.Typer(no_args_is_help=True, help="Figures beside others of the same run.")

EVENTS, ROUNDS, LATENCY_SECONDS = 150_000, 5, 20.0
"""Seconds of each system and turn, so that a busy machine's moods even out."""

WARM_EVENTS = 100_000
"""A hundred of each user: windows are partly filled."""

QUICK_EVENTS, QUICK_ROUNDS, QUICK_LATENCY_SECONDS = 20_000, 1, 2.0
"""For seeing whether it works; its figures are worth little. The worker commits after 10,000
events, and what it costs is measured between two commits."""


@app.command()
def ingest(
    quick: Annotated[
        bool, typer.Option("--quick", help="One short round: to see whether it works.")
    ] = False,
    events: Annotated[
        int | None,
        typer.Option(min=QUICK_EVENTS, help="Events of a round.", show_default="150,000"),
    ] = None,
    rounds: Annotated[
        int | None, typer.Option(min=1, help="Turns of each system.", show_default="5")
    ] = None,
    skip: Annotated[
        str,
        typer.Option(help="Leave out, of bare,sqlite,confluent,quix,quix-append,latency,reads."),
    ] = "",
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """What an event costs from Kafka to the stores, and how long it takes, beside other systems.

    Starts a broker, Valkey and everything else by itself. The first time, it installs Quix
    Streams into an environment of its own in the state directory.
    """
    from pagecast.cli.bench.ingest import IngestBenchConfig, measure_ingest
    from pagecast.cli.bench.machine import BENCH_FOLDER, Circumstances
    from pagecast.cli.exits import InputError
    from pagecast.cli.logs import configure_logging
    from pagecast.cli.output import Output
    from pagecast.cli.settings import load_settings

    settings = load_settings(state_dir=state_dir)
    configure_logging(settings, level="error")
    output = Output(as_json=as_json)
    try:
        config = IngestBenchConfig(
            folder=settings.state_dir / BENCH_FOLDER,
            events=events or (QUICK_EVENTS if quick else EVENTS),
            warm_events=QUICK_EVENTS if quick else WARM_EVENTS,
            rounds=rounds or (QUICK_ROUNDS if quick else ROUNDS),
            latency_seconds=QUICK_LATENCY_SECONDS if quick else LATENCY_SECONDS,
            quick=quick,
            skip=frozenset(part for part in skip.split(",") if part),
        )
    except ValueError as error:
        raise InputError(str(error)) from error
    circumstances = Circumstances.now()
    figures = measure_ingest(config, output.console)
    _show(output, circumstances, figures)
    output.document(
        {
            **circumstances.to_dict(),
            "rounds": figures.rounds,
            "late_ms_max": figures.late_ms_max,
            "rows": [row.to_dict() for row in figures.rows],
        }
    )


@app.command()
def model(
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Every table in five minutes: to see whether it works."),
    ] = False,
    tables: Annotated[
        str,
        typer.Option(
            help="Some of quality,ablations,throughput,scaling,parity,cost,decoding.",
            show_default="all",
        ),
    ] = "",
    seeds: Annotated[
        str | None, typer.Option(help="Of quality and ablations.", show_default="0,1,2")
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(min=0.01, help="Of each training.", show_default="scaling 4, else 30 at most"),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="As of `evaluate`, or made-up.",
            show_default="ml-100k if it is fetched, else made-up",
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Cells at a time, each on a core.", show_default="1"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Keep what is done in this file, and go on from what it holds."),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw the scaling table into this file, as SVG.")
    ] = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """What the model predicts and what each part is worth, how fast it trains, how it scales.

    Each figure is of a process of its own, with one thread on one core. In whole it takes a night;
    choose tables, or cut it and go on with `--out`.
    """
    from pagecast.cli.bench.model_command import ModelBench

    ModelBench(
        quick=quick,
        tables=tables,
        seeds=seeds,
        minutes=minutes,
        data=data,
        jobs=jobs,
        out=out,
        plot=plot,
        state_dir=state_dir,
        as_json=as_json,
    ).run()


SERVE_ENTITIES, SERVE_PROMPT = 20_000, 260
"""The shape the figures are asked for at."""

SERVE_ROUNDS, SERVE_SECONDS, SERVE_CLIENTS = 5, 10.0, "1,4,16,64"
SERVE_MASK_ENTITIES = "10000,100000,1000000"
SERVE_STEP_ENTITIES = "10000,100000,1000000"
SERVE_SWAPS = 20
"""Pages of each way of decoding, and seconds of each closed loop."""


@app.command()
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
    mask_entities: Annotated[
        str, typer.Option(help="Entities of the catalogs whose masks are measured; empty: none.")
    ] = SERVE_MASK_ENTITIES,
    step_entities: Annotated[
        str, typer.Option(help="Entities of the catalogs at which steps are measured; empty: none.")
    ] = SERVE_STEP_ENTITIES,
    swaps: Annotated[
        int, typer.Option(min=0, help="Swaps of the champion under load; 0: none.")
    ] = SERVE_SWAPS,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """What a page costs, alone and among others, beside plainer ways to decode it.

    Makes a catalog and a model of random weights and starts a server on them.
    """
    from pagecast.cli.bench.machine import BENCH_FOLDER, Circumstances
    from pagecast.cli.bench.serve.config import ServeBenchConfig
    from pagecast.cli.bench.serve.figures import measure_serve
    from pagecast.cli.bench.table import show_circumstances, show_rows
    from pagecast.cli.exits import InputError
    from pagecast.cli.logs import configure_logging
    from pagecast.cli.output import Output
    from pagecast.cli.settings import load_settings

    settings = load_settings(state_dir=state_dir)
    configure_logging(settings, level="error")
    output = Output(as_json=as_json)
    try:
        config = ServeBenchConfig(
            folder=settings.state_dir / BENCH_FOLDER,
            entities=entities,
            prompt=SERVE_PROMPT,
            rounds=rounds,
            seconds=seconds,
            clients=[int(number) for number in clients.split(",")],
            mask_entities=[int(number) for number in mask_entities.split(",") if number],
            step_entities=[int(number) for number in step_entities.split(",") if number],
            swaps=swaps,
        )
    except ValueError as error:
        raise InputError(str(error)) from error
    config.folder.mkdir(parents=True, exist_ok=True)
    circumstances = Circumstances.now()
    rows = measure_serve(config, output.say)
    show_rows(output, rows)
    show_circumstances(output, circumstances)
    output.document({**circumstances.to_dict(), "rows": [row.to_dict() for row in rows]})


@app.command()
def learn(
    quick: Annotated[
        bool, typer.Option("--quick", help="A minute or two: to see whether it works.")
    ] = False,
    slices: Annotated[
        int | None,
        typer.Option(min=2, help="Next slices; the last is evaluated on.", show_default="4"),
    ] = None,
    begin: Annotated[
        float | None,
        typer.Option(help="Share of the interactions before the first.", show_default="0.8"),
    ] = None,
    passes: Annotated[
        float | None,
        typer.Option(min=0.01, help="Of full trainings.", show_default="the trainer's"),
    ] = None,
    seeds: Annotated[str | None, typer.Option(help="Of trainings.", show_default="0,1,2")] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="As of `evaluate`, or made-up.",
            show_default="ml-100k if it is fetched, else made-up",
        ),
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Seeds at a time, each on a core.", show_default="1")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Keep what is done in this file, and go on from what it holds."),
    ] = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """What retraining is worth and costs: never, incrementally, in full, slice after slice.

    For each next slice: sync, evaluate, train. Each seed is a process of its own, with one thread
    on one core.
    """
    from pagecast.cli.bench.learn_command import LearnBench

    LearnBench(
        quick=quick,
        slices=slices,
        begin=begin,
        passes=passes,
        seeds=seeds,
        data=data,
        jobs=jobs,
        out=out,
        state_dir=state_dir,
        as_json=as_json,
    ).run()


@app.command()
def align(
    quick: Annotated[
        bool, typer.Option("--quick", help="A few minutes: to see whether it works.")
    ] = False,
    contenders: Annotated[
        str | None,
        typer.Option(
            help="Names with / between them; the baseline is always one.", show_default="all"
        ),
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(help="Of trainings and members.", show_default="0,1,2,3,4")
    ] = None,
    members: Annotated[
        int | None, typer.Option(min=1, help="Simulated members a seed.", show_default="200")
    ] = None,
    days: Annotated[
        int | None, typer.Option(min=1, help="Simulated days.", show_default="7")
    ] = None,
    passes: Annotated[
        float | None,
        typer.Option(min=0.01, help="Of generative trainings.", show_default="the trainer's"),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="As of `evaluate`, or made-up.",
            show_default="ml-100k if it is fetched, else made-up",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Keep what is done in this file, and go on from what it holds."),
    ] = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Whose pages simulated members like better, and how far off-policy estimates can be trusted.

    Contenders are trained on the same data and visited by the same members with the same luck, each
    in a world of its own, beside the multi-stage baseline.
    """
    from pagecast.cli.bench.align.command import AlignBench

    AlignBench(
        quick=quick,
        contenders=contenders,
        seeds=seeds,
        members=members,
        days=days,
        passes=passes,
        data=data,
        out=out,
        state_dir=state_dir,
        as_json=as_json,
    ).run()


def _show(output: "Output", circumstances: "Circumstances", figures: "IngestFigures") -> None:
    from statistics import median

    from pagecast.cli.bench.rows import shown
    from pagecast.cli.bench.table import show_circumstances, show_rows

    show_rows(output, figures.rows)
    output.table(
        "\nEvents per CPU-second, round by round",
        ("system", "median", "least", "most"),
        [
            (name, shown(median(values)), shown(min(values)), shown(max(values)))
            for name, values in figures.rounds.items()
        ],
    )
    if figures.late_ms_max is not None:
        output.say(
            "\nevent_to_feature_seconds is interpolated within the buckets of the worker's own "
            f"histogram; its load was at most {figures.late_ms_max:.0f} ms late, which is in it."
        )
    show_circumstances(output, circumstances)
