"""`pagecast trainings`: asks for trainings, and follows them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pagecast.cli.options import AsJson, DatabaseUrl, OnlineStoreUrl, StateDir
from pagecast.cli.training.choices import Profile

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from pagecast.featurestore.trainings.trainings import Trainings

app = typer.Typer(
    no_args_is_help=True, help="Trainings that `pagecast trainer` runs: ask, watch, end."
)

ASKED_BY = "cli"

RequestId = Annotated[str, typer.Argument(help="The request, as `trainings list` names it.")]


class Kind(StrEnum):
    """As `pagecast.featurestore.trainings.orders.TrainingKind`."""

    FULL = "full"
    INCREMENTAL = "incremental"


class Promote(StrEnum):
    """As `pagecast.featurestore.trainings.orders.Promoting`."""

    GATE = "gate"
    NEVER = "never"


@app.command()
def start(
    kind: Annotated[
        Kind | None, typer.Option(help="From nothing, or from a model.", show_default="full")
    ] = None,
    incremental: Annotated[
        bool, typer.Option("--incremental", help="The same as --kind incremental.")
    ] = False,
    base: Annotated[str, typer.Option(help="The model an incremental one starts from.")] = "",
    hold_out: Annotated[
        float,
        typer.Option(min=0.0, max=0.9, help="Share of the time to keep and to be judged by."),
    ] = 0.1,
    until: Annotated[
        datetime | None,
        typer.Option(help="Instead: keep everything from this moment (UTC) on."),
    ] = None,
    budget_minutes: Annotated[
        float | None, typer.Option(help="The loop stops here.", show_default="the trainer's")
    ] = None,
    budget_steps: Annotated[
        int | None, typer.Option(help="It stops after so many steps, too.", show_default="none")
    ] = None,
    profile: Annotated[
        Profile | None, typer.Option(help="Size of the model.", show_default="the trainer's")
    ] = None,
    promote: Annotated[
        Promote, typer.Option(help="Champion if the gate lets it, or never by itself.")
    ] = Promote.GATE,
    beside: Annotated[
        bool, typer.Option("--beside", help="May run while another training does.")
    ] = False,
    request_id: Annotated[
        str | None,
        typer.Option(help="The same id again is the same training.", show_default="a new one"),
    ] = None,
    detail: Annotated[str, typer.Option(help="Why, for people.")] = "",
    state_dir: StateDir = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Asks for a training; a `pagecast trainer` takes it up."""
    from pagecast.cli.exits import CommandError, InputError
    from pagecast.cli.output import Output
    from pagecast.cli.trainings_view import show_training, training_to_dict
    from pagecast.eventlog.event_id import new_event_id
    from pagecast.featurestore.trainings.orders import (
        OrderError,
        Promoting,
        TrainingKind,
        TrainingOrder,
    )
    from pagecast.featurestore.trainings.trainings import QueueFull, RequestDiffers

    if incremental and kind is Kind.FULL:
        raise InputError("--kind full and --incremental", "leave out one of them")
    if request_id == "":
        raise InputError("--request-id: is empty", "leave it out for a new one")
    with _trainings(state_dir, database_url) as trainings:
        try:
            order = TrainingOrder(
                kind=TrainingKind.INCREMENTAL if incremental else TrainingKind(kind or Kind.FULL),
                base_version=base,
                hold_out=hold_out,
                until_ms=None if until is None else _ms(until),
                budget_minutes=budget_minutes,
                budget_steps=budget_steps,
                profile="" if profile is None else profile.value,
                promoting=Promoting(promote),
                beside=beside,
            )
            training = trainings.ask(
                request_id or new_event_id(_ms(datetime.now(UTC))),
                order,
                asked_by=ASKED_BY,
                detail=detail,
            )
        except (OrderError, RequestDiffers) as error:
            raise InputError(str(error)) from error
        except QueueFull as error:
            raise CommandError(str(error)) from error
    output = Output(as_json=as_json)
    show_training(output, training)
    output.document(training_to_dict(training))


@app.command("list")
def list_trainings(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Newest trainings to list.")] = 100,
    state_dir: StateDir = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Lists the trainings, newest first."""
    from pagecast.cli.output import Output
    from pagecast.cli.trainings_view import show_trainings, training_to_dict

    with _trainings(state_dir, database_url) as trainings:
        found = trainings.list(limit)
    output = Output(as_json=as_json)
    show_trainings(output, found)
    if not found:
        output.say("no training yet: run `pagecast trainings start`")
    output.document([training_to_dict(training) for training in found])


@app.command()
def watch(
    request_id: RequestId,
    state_dir: StateDir = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Follows a training to its end; fails if it makes no model, says if the gate refuses it."""
    from pagecast.cli.exits import CommandError
    from pagecast.cli.output import Output
    from pagecast.cli.trainings_view import refused_by, show_training, training_to_dict
    from pagecast.cli.trainings_watch import follow
    from pagecast.featurestore.models.registry import Registry
    from pagecast.featurestore.trainings.records import TrainingState
    from pagecast.featurestore.trainings.trainings import Trainings

    output = Output(as_json=as_json)
    with _database(state_dir, database_url) as engine, _known():
        training = follow(Trainings(engine), request_id, output.console)
        refused = refused_by(training, Registry(engine))
    show_training(output, training)
    if refused:
        output.say(
            f"the gate refuses it ({', '.join(refused)}): `pagecast models show {training.version}`"
            " says why, `pagecast models promote` with --force overrules it"
        )
    output.document({**training_to_dict(training), "refused_by": list(refused)})
    if training.state is not TrainingState.SUCCEEDED:
        raise CommandError(f"the training has {training.state.value}", training.error)


@app.command()
def cancel(
    request_id: RequestId,
    state_dir: StateDir = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Ends a training: at once if it waits, within seconds if it runs."""
    from pagecast.cli.output import Output
    from pagecast.cli.trainings_view import show_training, training_to_dict

    with _trainings(state_dir, database_url) as trainings, _known():
        training = trainings.cancel(request_id)
    output = Output(as_json=as_json)
    show_training(output, training)
    output.document(training_to_dict(training))


@app.command(hidden=True)
def run(
    training_id: int,
    attempt: Annotated[int, typer.Option(help="Of the claim.")],
    state_dir: StateDir = None,
    database_url: DatabaseUrl = None,
    online_store_url: OnlineStoreUrl = None,
) -> None:
    """Runs a training that `pagecast trainer` has claimed; its exit code says what became of it."""
    from pagecast.cli.claimed import run_claimed
    from pagecast.cli.logs import configure_logging
    from pagecast.cli.niceness import step_back
    from pagecast.cli.settings import load_settings

    settings = load_settings(
        state_dir=state_dir, database_url=database_url, online_store_url=online_store_url
    )
    configure_logging(settings)
    step_back(settings.trainer.nice or 0)
    raise typer.Exit(run_claimed(settings, training_id, attempt))


@contextmanager
def _trainings(state_dir: Path | None, database_url: str | None) -> "Iterator[Trainings]":
    from pagecast.featurestore.trainings.trainings import Trainings

    with _database(state_dir, database_url) as engine:
        yield Trainings(engine)


@contextmanager
def _database(state_dir: Path | None, database_url: str | None) -> "Iterator[Engine]":
    from pagecast.cli.database import open_database
    from pagecast.cli.settings import load_settings

    settings = load_settings(state_dir=state_dir, database_url=database_url)
    with open_database(settings) as engine:
        yield engine


@contextmanager
def _known() -> Iterator[None]:
    from pagecast.cli.exits import CommandError
    from pagecast.featurestore.trainings.trainings import TrainingUnknown

    try:
        yield
    except TrainingUnknown as error:
        raise CommandError(str(error)) from error


def _ms(moment: datetime) -> int:
    """A moment without a time zone is UTC."""
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1000)
