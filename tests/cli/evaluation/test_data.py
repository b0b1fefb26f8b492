import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from cli.factories_interchange import write_folder
from rich.console import Console

from pagecast.cli.evaluation import data
from pagecast.cli.evaluation.data import open_data
from pagecast.cli.exits import InputError
from pagecast.featurestore.history.fold import DEFAULT_FOLD
from pagecast.featurestore.state import StatePaths
from pagecast.trainer.evaluation.protocols.interactions import interactions_of


def test_a_folder_keeps_its_ids(tmp_path: Path) -> None:
    folder = str(write_folder(tmp_path / "mine"))
    opened = open_data(folder, StatePaths(root=tmp_path), DEFAULT_FOLD, Console(quiet=True))
    assert (opened.name, opened.id_prefix) == (folder, "")


def test_what_is_neither_is_told_with_what_can_be_given(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'ml-9' is neither .* give ml-100k, ml-1m or a folder"):
        open_data("ml-9", StatePaths(root=tmp_path), DEFAULT_FOLD, Console(quiet=True))


def test_public_data_are_read_at_the_times_at_which_they_happened(
    tmp_path: Path, write_movielens: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And under the ids of their source, also of a film that the catalog lacks."""
    paths = StatePaths(root=tmp_path)
    source = write_movielens(
        films=["5\tToy Story\t1995\tComedy"],
        ratings=["2\t5\t4\t880000060", "10\t267\t3\t880000000", "2\t267\t5\t880000000"],
    )
    (paths.data / "ml-100k").mkdir(parents=True)
    source.rename(paths.data / "ml-100k" / "source")
    monkeypatch.setattr(data, "fetch_wheel", lambda wheel, folder: False)
    opened = open_data("ml-100k", paths, DEFAULT_FOLD, Console(quiet=True))
    read = interactions_of(opened.interchange.users, opened.interchange.catalog)
    assert read.entities == ("ml-5", "ml-267")
    assert read.at_ms_X.tolist() == [880_000_000_000, 880_000_060_000, 880_000_000_000]
    lines = b"2,267,880000000\n2,5,880000060\n10,267,880000000\n"
    assert read.split_sha256(opened.id_prefix) == hashlib.sha256(lines).hexdigest()


def test_movielens_1m_is_read_from_where_it_lies_and_by_its_name(
    tmp_path: Path, write_movielens_1m: Callable[..., Path]
) -> None:
    paths = StatePaths(root=tmp_path / "state")
    folder = write_movielens_1m(
        movies=["5::Toy Story (1995)::Comedy"],
        ratings=["2::5::4::880000060", "10::267::3::880000000"],
        users=["2::M::25::3::55117"],
    )
    lines = b"2,5,880000060\n10,267,880000000\n"
    for name in (str(folder), "ml-1m"):
        opened = open_data(name, paths, DEFAULT_FOLD, Console(quiet=True))
        read = interactions_of(opened.interchange.users, opened.interchange.catalog)
        assert read.split_sha256(opened.id_prefix) == hashlib.sha256(lines).hexdigest()


def test_movielens_1m_that_nobody_brought_is_told_how_to_bring(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="data fetch ml-1m --from"):
        open_data("ml-1m", StatePaths(root=tmp_path), DEFAULT_FOLD, Console(quiet=True))
