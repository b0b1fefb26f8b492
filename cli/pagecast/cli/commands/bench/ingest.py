"""`pagecast bench ingest`: what ingest costs."""

from typing import TYPE_CHECKING, Annotated

import typer

from pagecast.cli.options import AsJson, StateDir

if TYPE_CHECKING:
    from pagecast.cli.bench.ingest import IngestFigures
    from pagecast.cli.bench.machine import Circumstances
    from pagecast.cli.output import Output

EVENTS, ROUNDS, LATENCY_SECONDS = 150_000, 5, 20.0
"""Each turn of each system takes seconds, so that a busy machine's moods even out."""

WARM_EVENTS = 100_000
"""A hundred of each user: windows are partly filled."""

QUICK_EVENTS, QUICK_ROUNDS, QUICK_LATENCY_SECONDS = 20_000, 1, 2.0
"""For seeing whether it works; its figures are worth little. The worker commits after 10,000
events, and its cost is measured between two commits."""


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

    Starts a broker, Valkey and everything else by itself. The first run installs Quix Streams into
    an environment of its own in the state directory.
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
