"""`pagecast models`: the model registry."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pagecast.cli.options import AsJson, DatabaseUrl, StateDir

if TYPE_CHECKING:
    from pagecast.featurestore.registry import ModelRecord

app = typer.Typer(no_args_is_help=True, help="The model registry: what serves, and what could.")

PROMOTED_BY = "cli"
"""Who moved the alias, as the registry's history tells."""

Version = Annotated[str, typer.Argument(help="The version, or an alias such as champion.")]


@app.command("list")
def list_models(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Newest models to list.")] = 100,
    state_dir: StateDir = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Lists the models, newest first."""
    from pagecast.cli.database import open_database
    from pagecast.cli.output import Output
    from pagecast.cli.settings import load_settings
    from pagecast.featurestore.registry import Registry

    settings = load_settings(state_dir=state_dir, database_url=database_url)
    with open_database(settings) as engine:
        records = Registry(engine).list(limit)
    output = Output(as_json=as_json)
    output.table(
        "",
        ("version", "created", "aliases", "NDCG@10", "HR@10"),
        [
            (
                record.version,
                _moment(record),
                " ".join(record.aliases),
                _metric(record, "ndcg_at_10"),
                _metric(record, "hr_at_10"),
            )
            for record in records
        ],
    )
    if not records:
        output.say("no model yet: run `pagecast train`")
    output.document([_to_dict(record) for record in records])


@app.command()
def show(
    version: Version = "champion",
    state_dir: StateDir = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Shows one model."""
    from pagecast.cli.database import open_database
    from pagecast.cli.settings import load_settings
    from pagecast.featurestore.registry import Registry

    settings = load_settings(state_dir=state_dir, database_url=database_url)
    with open_database(settings) as engine:
        record = _find(Registry(engine), version)
    _print(record, as_json=as_json)


@app.command()
def promote(
    version: Version = "challenger",
    state_dir: StateDir = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Makes a model the champion; servers load it beside the old one and switch."""
    from pagecast.cli.database import open_database
    from pagecast.cli.settings import load_settings
    from pagecast.featurestore.registry import Registry

    settings = load_settings(state_dir=state_dir, database_url=database_url)
    with open_database(settings) as engine:
        registry = Registry(engine)
        record = registry.promote(_find(registry, version).version, PROMOTED_BY)
    _print(record, as_json=as_json)


@app.command()
def rollback(
    state_dir: StateDir = None, database_url: DatabaseUrl = None, as_json: AsJson = False
) -> None:
    """Makes the champion before this one the champion again."""
    from pagecast.cli.database import open_database
    from pagecast.cli.exits import CommandError
    from pagecast.cli.settings import load_settings
    from pagecast.featurestore.registry import NoPredecessor, Registry

    settings = load_settings(state_dir=state_dir, database_url=database_url)
    with open_database(settings) as engine:
        try:
            record = Registry(engine).rollback(PROMOTED_BY)
        except NoPredecessor as error:
            raise CommandError(str(error)) from error
    _print(record, as_json=as_json)


@app.command()
def alias(
    name: Annotated[str, typer.Argument(help="The alias: small letters, digits and '-'.")],
    version: Version = "challenger",
    state_dir: StateDir = None,
    database_url: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Points an alias of your own to a model, so that an experiment's arm can name it."""
    from pagecast.cli.database import open_database
    from pagecast.cli.exits import InputError
    from pagecast.cli.settings import load_settings
    from pagecast.featurestore.registry import Registry

    settings = load_settings(state_dir=state_dir, database_url=database_url)
    with open_database(settings) as engine:
        registry = Registry(engine)
        found = _find(registry, version)
        try:
            record = registry.point(name, found.version, PROMOTED_BY)
        except ValueError as error:
            raise InputError(str(error)) from error
    _print(record, as_json=as_json)


def _find(registry: Any, name: str) -> "ModelRecord":
    """By alias or version. Raises CommandError."""
    from pagecast.cli.exits import CommandError
    from pagecast.featurestore.registry import ModelUnknown

    record: ModelRecord | None = registry.resolve(name)
    if record is not None:
        return record
    try:
        found: ModelRecord = registry.get(name)
    except ModelUnknown as error:
        raise CommandError(str(error)) from error
    return found


def _print(record: "ModelRecord", *, as_json: bool) -> None:
    from pagecast.cli.output import Output

    output = Output(as_json=as_json)
    facts = [
        ("version", record.version),
        ("aliases", " ".join(record.aliases) or "-"),
        ("created", _moment(record)),
        ("parent", record.parent_version or "-"),
        *((name, f"{value:.4f}") for name, value in sorted(record.metrics.items())),
    ]
    output.table("", ("", ""), facts)
    output.document(_to_dict(record))


def _to_dict(record: "ModelRecord") -> dict[str, Any]:
    return {
        "version": record.version,
        "aliases": list(record.aliases),
        "created_at_ms": record.created_at_ms,
        "parent_version": record.parent_version,
        "metrics": dict(record.metrics),
        "data": dict(record.data),
    }


def _moment(record: "ModelRecord") -> str:
    return f"{datetime.fromtimestamp(record.created_at_ms / 1000, UTC):%Y-%m-%d %H:%M}"


def _metric(record: "ModelRecord", name: str) -> str:
    return f"{record.metrics[name]:.4f}" if name in record.metrics else "-"
