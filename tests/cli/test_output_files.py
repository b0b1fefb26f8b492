"""Files that a command writes are whole or absent, whoever else writes them."""

from pathlib import Path

import pytest

from pagecast.cli.exits import InputError
from pagecast.cli.output_files import check_folders, replacing


def test_a_file_stands_once_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    target.write_text("old")
    with replacing(target) as file:
        file.write("new")
        file.flush()
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target], "nothing temporary stays"


def test_a_file_that_was_not_finished_leaves_the_one_before(tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    target.write_text("old")
    with pytest.raises(ZeroDivisionError), replacing(target) as file:
        file.write("half")
        raise ZeroDivisionError
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_two_may_write_one_file_at_once(tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    with replacing(target) as one:
        one.write("o")
        with replacing(target) as other:
            other.write("other")
        assert target.read_text() == "other"
        one.write("ne")
    assert target.read_text() == "one"


def test_everybody_may_read_what_was_written(tmp_path: Path) -> None:
    with replacing(tmp_path / "out.json") as file:
        file.write("{}")
    assert (tmp_path / "out.json").stat().st_mode & 0o777 == 0o644


def test_a_folder_that_is_not_there_is_told_before_the_work_begins(tmp_path: Path) -> None:
    check_folders(html=None, plot=tmp_path / "plot.svg")
    with pytest.raises(InputError, match=r"--plot: .*nowhere is no folder"):
        check_folders(plot=tmp_path / "nowhere" / "plot.svg")
    with pytest.raises(InputError, match=r"--html: .*is a folder; name a file in it"):
        check_folders(html=tmp_path)
