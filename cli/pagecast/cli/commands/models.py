"""`pagecast models`: the model registry."""

from typing import TYPE_CHECKING, Annotated

import typer

from pagecast.cli.options import AsJson, DatabaseUrl, StateDir

if TYPE_CHECKING:
    from pagecast.featurestore.models.records import ModelRecord
    from pagecast.featurestore.models.registry import Registry

app = typer.Typer(no_args_is_help=True, help="The model registry: what serves, and what could.")

PROMOTED_BY = "cli"
"""Who moved the alias, as the registry's history tells."""

Version = Annotated[str, typer.Argument(help="The version, or an alias such as champion.")]

Note = Annotated[str, typer.Option(help="Why, for the registry's records.")]


@app.command("list")
def list_models(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Newest models to list.")] = 100,
    state_dir: StateDir = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Lists the models, newest first."""
    from pagecast.cli.database import open_database
    from pagecast.cli.models_view import model_to_dict, show_models
    from pagecast.cli.output import Output
    from pagecast.cli.settings import load_settings
    from pagecast.featurestore.models.registry import Registry

    settings = load_settings(state_dir=state_dir, database_url=database_url)
    with open_database(settings) as engine:
        records = Registry(engine).list(limit)
    output = Output(as_json=as_json)
    show_models(output, records)
    if not records:
        output.say("no model yet: run `pagecast train`")
    output.document([model_to_dict(record) for record in records])


@app.command()
def show(
    version: Version = "champion",
    state_dir: StateDir = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Shows one model: lineage, figures, what the gate said, who promoted it and why."""
    from pagecast.cli.database import open_database
    from pagecast.cli.models_view import show_model
    from pagecast.cli.output import Output
    from pagecast.cli.settings import load_settings
    from pagecast.featurestore.models.records import CHAMPION
    from pagecast.featurestore.models.registry import Registry

    settings = load_settings(state_dir=state_dir, database_url=database_url)
    with open_database(settings) as engine:
        registry = Registry(engine)
        record = _find(registry, version)
        moves = [m for m in registry.moves(CHAMPION) if m.version == record.version]
    show_model(Output(as_json=as_json), record, moves)


@app.command()
def promote(
    version: Version = "challenger",
    force: Annotated[
        bool, typer.Option("--force", help="Though the gate refuses it; this is recorded.")
    ] = False,
    note: Note = "",
    state_dir: StateDir = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Makes a model the champion; servers load it beside the old one, then switch."""
    from pagecast.cli.database import open_database
    from pagecast.cli.exits import CommandError
    from pagecast.cli.models_view import show_model
    from pagecast.cli.output import Output
    from pagecast.cli.settings import load_settings
    from pagecast.featurestore.models.records import GateNotPassed, ModelFreed
    from pagecast.featurestore.models.registry import Registry

    settings = load_settings(state_dir=state_dir, database_url=database_url)
    with open_database(settings) as engine:
        registry = Registry(engine)
        record = _find(registry, version)
        try:
            record = registry.promote(record.version, PROMOTED_BY, forced=force, note=note)
        except GateNotPassed as error:
            raise CommandError(str(error), "the option is --force, and --note says why") from error
        except (ModelFreed, ValueError) as error:
            raise CommandError(str(error)) from error
    show_model(Output(as_json=as_json), record)


@app.command()
def rollback(
    from_version: Annotated[
        str, typer.Option("--from", help="The champion that is to go; if it went, nothing moves.")
    ] = "",
    note: Note = "",
    state_dir: StateDir = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Makes the champion before this one the champion again."""
    from pagecast.cli.database import open_database
    from pagecast.cli.exits import CommandError
    from pagecast.cli.models_view import show_model
    from pagecast.cli.output import Output
    from pagecast.cli.settings import load_settings
    from pagecast.featurestore.models.records import ModelFreed, ModelUnknown, NoPredecessor
    from pagecast.featurestore.models.registry import Registry

    settings = load_settings(state_dir=state_dir, database_url=database_url)
    with open_database(settings) as engine:
        try:
            record = Registry(engine).rollback(PROMOTED_BY, note=note, from_version=from_version)
        except (ModelFreed, ModelUnknown, NoPredecessor) as error:
            raise CommandError(str(error)) from error
    show_model(Output(as_json=as_json), record)


@app.command()
def alias(
    name: Annotated[str, typer.Argument(help="The alias: small letters, digits and '-'.")],
    version: Version = "challenger",
    state_dir: StateDir = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Points an alias of your own at a model, so that an experiment's arm can name it."""
    from pagecast.cli.database import open_database
    from pagecast.cli.exits import CommandError, InputError
    from pagecast.cli.models_view import show_model
    from pagecast.cli.output import Output
    from pagecast.cli.settings import load_settings
    from pagecast.featurestore.models.records import ModelFreed
    from pagecast.featurestore.models.registry import Registry

    settings = load_settings(state_dir=state_dir, database_url=database_url)
    with open_database(settings) as engine:
        registry = Registry(engine)
        found = _find(registry, version)
        try:
            record = registry.point(name, found.version, PROMOTED_BY)
        except ModelFreed as error:
            raise CommandError(str(error)) from error
        except ValueError as error:
            raise InputError(str(error)) from error
    show_model(Output(as_json=as_json), record)


@app.command()
def verify(
    version: Version = "champion",
    state_dir: StateDir = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Compares every file of a bundle with what was published; servers check only what they use."""
    from pagecast.cli.database import open_database
    from pagecast.cli.exits import CommandError
    from pagecast.cli.output import Output
    from pagecast.cli.settings import load_settings
    from pagecast.engine.bundles.served_model import verify_served
    from pagecast.engine.errors import BundleError
    from pagecast.featurestore.models.registry import Registry
    from pagecast.featurestore.state import StatePaths

    settings = load_settings(state_dir=state_dir, database_url=database_url)
    with open_database(settings) as engine:
        record = _find(Registry(engine), version)
    try:
        verified = verify_served(StatePaths(root=settings.state_dir).bundles / record.bundle)
    except BundleError as error:
        remedy = f"copy the bundle of {record.version} here again, or promote another model"
        raise CommandError(str(error), remedy) from error
    output = Output(as_json=as_json)
    output.say(f"{record.version}: {verified} bytes are what was published")
    output.document({"version": record.version, "bytes": verified})


@app.command()
def prune(
    keep: Annotated[int, typer.Option(min=3, help="Newest versions that keep their bundle.")] = 5,
    state_dir: StateDir = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Removes bundles of older versions, and checkpoints of trainings that have ended.

    The champion, the challenger and the previous champion stay.
    """
    from pagecast.cli.database import open_database
    from pagecast.cli.output import Output
    from pagecast.cli.settings import load_settings
    from pagecast.featurestore.models.bundle_room import free_bundles
    from pagecast.featurestore.models.registry import Registry
    from pagecast.featurestore.state import StatePaths
    from pagecast.featurestore.trainings.checkpoint_room import free_checkpoints
    from pagecast.featurestore.trainings.trainings import Trainings

    settings = load_settings(state_dir=state_dir, database_url=database_url)
    with open_database(settings) as engine:
        paths = StatePaths(root=settings.state_dir)
        freed = free_bundles(Registry(engine), paths.bundles, keep)
        ended = free_checkpoints(Trainings(engine), paths.trainings)
    output = Output(as_json=as_json)
    output.say(f"removed {len(freed)} bundles{': ' if freed else ''}{' '.join(freed)}")
    output.say(f"checkpoints removed of trainings that have ended: {len(ended)}")
    output.document({"freed": list(freed), "trainings": list(ended)})


@app.command()
def migrate(
    to: Annotated[
        str | None,
        typer.Option(help="An older revision, for an older Pagecast: what is newer is lost."),
    ] = None,
    state_dir: StateDir = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Brings the database to this version's tables, as every command does, or back to older ones.

    Going back is for an older Pagecast. Stop everything of this version first: any of its commands
    brings the tables forward again.
    """
    from pagecast.cli.database import open_database
    from pagecast.cli.exits import InputError
    from pagecast.cli.output import Output
    from pagecast.cli.settings import load_settings
    from pagecast.featurestore.database import migrate_down, revision_of

    settings = load_settings(state_dir=state_dir, database_url=database_url)
    with open_database(settings) as engine:
        try:
            if to is not None:
                migrate_down(engine, to)
        except ValueError as error:
            raise InputError(str(error)) from error
        revision = revision_of(engine)
    output = Output(as_json=as_json)
    output.say(f"the database is at revision {revision}")
    output.document({"revision": revision})


def _find(registry: "Registry", name: str) -> "ModelRecord":
    """By alias or version. Raises CommandError."""
    from pagecast.cli.exits import CommandError
    from pagecast.featurestore.models.records import ModelUnknown

    record = registry.resolve(name)
    if record is not None:
        return record
    try:
        return registry.get(name)
    except ModelUnknown as error:
        raise CommandError(str(error)) from error
