"""`pagecast offline`: care of the offline log, and what training can take from it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pagecast.cli.options import AsJson, StateDir

if TYPE_CHECKING:
    from pagecast.featurestore.offline import OfflineLog

app = typer.Typer(no_args_is_help=True, help="The offline log: compaction, and logged pages.")


@app.command()
def compact(
    day: Annotated[
        str | None, typer.Option(help="One day, for example 2026-01-05.", show_default="all days")
    ] = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Merges the small part files of the offline log into few.

    May run at any time, beside ingest and training; if interrupted, run it again.
    """
    from datetime import date

    from pagecast.cli.exits import InputError
    from pagecast.cli.output import Output

    if day is not None:
        try:
            day = date.fromisoformat(day).isoformat()
        except ValueError as error:
            raise InputError(f"--day: {day!r} is no day", "write it as 2026-01-05") from error
    output, log = Output(as_json=as_json), _log_of(state_dir)
    with output.console.status("compacting"):
        done = log.compact(day)
    output.say(
        f"{done.parts_before} parts became {done.parts_after}, "
        f"{done.bytes_before / 1e6:.1f} MB became {done.bytes_after / 1e6:.1f}"
    )
    output.document(done._asdict())


@app.command()
def pages(
    out: Annotated[Path, typer.Option(help="The file: FILE.parquet or FILE.jsonl.")],
    window_minutes: Annotated[
        float,
        typer.Option(min=0, max=525_600, help="How long after a page something belongs to it."),
    ] = 30.0,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Writes served pages, with what became of the entities seen on them."""
    from pagecast.cli.exits import InputError
    from pagecast.cli.output import Output
    from pagecast.cli.output_files import check_folders
    from pagecast.featurestore.pages.logged_page_files import FORMATS, write_logged_pages

    if out.suffix not in FORMATS:
        raise InputError(f"--out: {out.name} is neither", f"end it with {' or '.join(FORMATS)}")
    check_folders(out=out)
    output, log = Output(as_json=as_json), _log_of(state_dir)
    with output.console.status("joining pages"):
        written = write_logged_pages(log, out, window_ms=round(window_minutes * 60_000))
    output.say(f"{written.pages} pages, {written.entities} entities: {out}")
    output.document({"path": str(out), **written._asdict()})


def _log_of(state_dir: Path | None) -> "OfflineLog":
    """Raises InputError if there is none: a misspelled folder is not an empty log."""
    from pagecast.cli.exits import InputError
    from pagecast.cli.settings import load_settings
    from pagecast.featurestore.offline import OfflineLog
    from pagecast.featurestore.state import StatePaths

    paths = StatePaths(root=load_settings(state_dir=state_dir).state_dir)
    if not paths.offline.is_dir():
        raise InputError(
            f"there is no offline log in {paths.root}", "name its folder with --state-dir"
        )
    return OfflineLog(paths.offline)
