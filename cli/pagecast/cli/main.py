"""The `pagecast` command: the table of commands, and how errors become exit codes."""

import os
import signal
import sys
import traceback
from types import FrameType
from typing import Annotated, NoReturn

import typer

from pagecast.cli.commands import (
    bench,
    data,
    dlt,
    embeddings,
    experiments,
    models,
    offline,
    trainings,
)
from pagecast.cli.commands.demo import demo
from pagecast.cli.commands.doctor import doctor
from pagecast.cli.commands.evaluate import evaluate
from pagecast.cli.commands.forget import forget
from pagecast.cli.commands.history import history
from pagecast.cli.commands.ingest import ingest
from pagecast.cli.commands.page import page
from pagecast.cli.commands.predictions import predict, similar
from pagecast.cli.commands.publish import publish
from pagecast.cli.commands.serve import serve, serve_worker
from pagecast.cli.commands.simulate import simulate
from pagecast.cli.commands.train import train
from pagecast.cli.commands.trainer import trainer
from pagecast.cli.commands.up import up
from pagecast.cli.exits import EXIT_CODES_HELP, CliError, ExitCode

DEBUG_VARIABLE = "PAGECAST_DEBUG"

WAITING_VARIABLE = "OMP_WAIT_POLICY"
"""How torch's threads wait for each other; OpenMP reads it when torch is loaded. By default they
spin, which keeps the core from the thread they wait for: a training beside other work would take up
to ten times as long (docs/facts.md)."""

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Builds whole homepages with one generative model, streamed while they are decoded.",
    epilog=EXIT_CODES_HELP,
)
app.command()(demo)
app.command()(up)
app.command()(publish)
app.command()(train)
app.command()(trainer)
app.command()(evaluate)
app.command()(page)
app.command()(history)
app.command()(predict)
app.command()(similar)
app.command()(forget)
app.command()(simulate)
app.command()(ingest)
app.command()(serve)
app.command(hidden=True)(serve_worker)
app.command()(doctor)
app.add_typer(models.app, name="models")
app.add_typer(trainings.app, name="trainings")
app.add_typer(experiments.app, name="experiments")
app.add_typer(dlt.app, name="dlt")
app.add_typer(data.app, name="data")
app.add_typer(offline.app, name="offline")
app.add_typer(embeddings.app, name="embeddings")
app.add_typer(bench.app, name="bench")


@app.callback()
def front(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Runs before every command; children inherit the variable."""
    if debug:
        os.environ[DEBUG_VARIABLE] = "1"


def main() -> NoReturn:
    """Runs the command line and exits as `exits.ExitCode` says."""
    os.environ.setdefault(WAITING_VARIABLE, "passive")
    signal.signal(signal.SIGTERM, _terminate)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        # The terminal was closed: stop in order, as on SIGTERM. Under nohup the command goes on.
        signal.signal(signal.SIGHUP, _terminate)
    try:
        app()
    except CliError as error:
        _fail(str(error), error.exit_code, error.details)
    except KeyboardInterrupt:
        _fail("interrupted", ExitCode.INTERRUPTED)
    except Exception as error:
        _fail(f"{type(error).__name__}: {error}; --debug shows where", ExitCode.FAILED)
    sys.exit(ExitCode.OK)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    del number, frame
    raise SystemExit(int(ExitCode.TERMINATED))


def _fail(text: str, code: ExitCode, details: str = "") -> NoReturn:
    from pagecast.cli.output import report_error

    if os.environ.get(DEBUG_VARIABLE):
        traceback.print_exc()
    report_error(text, details)
    sys.exit(code)
