"""Compaction: few files in place of many, with the same rows."""

from pathlib import Path

import pytest
from factories import START_MS
from featurestore.factories_offline import DAY_MS, TOPIC, logged, over_days, page, parts

from pagecast.featurestore.offline import Compacted, OfflineLog
from pagecast.featurestore.offline.files import exclusive


def many_parts(root: Path) -> OfflineLog:
    log = OfflineLog(root)
    for begin in range(0, 40, 4):
        log.append(over_days(4, 2, begin=begin))
    return log


def test_a_day_becomes_one_part_a_partition(tmp_path: Path) -> None:
    log = many_parts(tmp_path)
    log.append([logged(0, partition=1)])
    log.append([logged(1, partition=1)])
    rows, sizes = log.read(), sum(path.stat().st_size for path in parts(tmp_path))
    done = log.compact()
    assert done == Compacted(22, 3, sizes, sum(path.stat().st_size for path in parts(tmp_path)))
    assert done.bytes_after < done.bytes_before
    assert (len(parts(tmp_path)), log.read()) == (3, rows)


def test_compacting_again_changes_nothing(tmp_path: Path) -> None:
    log = many_parts(tmp_path)
    log.compact()
    before = parts(tmp_path)
    log.compact()
    assert parts(tmp_path) == before


def test_what_comes_later_is_merged_with_what_was_merged(tmp_path: Path) -> None:
    log = many_parts(tmp_path)
    log.compact()
    log.append(over_days(4, 2, begin=40))
    log.append(over_days(4, 2, begin=20))
    log.compact()
    assert (len(parts(tmp_path)), len(log.read())) == (2, 44)
    assert log.positions() == {(TOPIC, 0): 44}


def test_one_day_may_be_compacted_alone(tmp_path: Path) -> None:
    log = many_parts(tmp_path)
    log.compact("2026-01-05")
    assert [path.parent.name for path in parts(tmp_path)].count("day=2026-01-05") == 1
    assert len(parts(tmp_path)) == 11
    assert log.compact("2020-01-01") == Compacted(0, 0, 0, 0)


def test_pages_are_compacted_too(tmp_path: Path) -> None:
    log = OfflineLog(tmp_path)
    for offset in range(3):
        log.append_pages([page(offset, ["e1"], page_id=f"p{offset}")])
    rows = log.read_pages()
    log.compact()
    assert (len(parts(tmp_path, "pages")), log.read_pages()) == (1, rows)


def test_merged_parts_stay_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = OfflineLog(tmp_path)
    for offset in range(12):
        log.append([logged(offset)])
    rows, size = log.read(), max(path.stat().st_size for path in parts(tmp_path))
    monkeypatch.setattr("pagecast.featurestore.offline.compaction.MERGE_BYTES_MAX", 3 * size)
    log.compact()
    assert 3 < len(parts(tmp_path)) < 6
    assert log.read() == rows


def test_what_is_left_of_an_unfinished_batch_is_left_alone(tmp_path: Path) -> None:
    log = OfflineLog(tmp_path)
    log.append([logged(0)])
    log.append([logged(1), logged(2, at_ms=START_MS + DAY_MS)])
    for position in (tmp_path / "interactions" / "_positions").glob("*.json"):
        position.write_text(position.read_text().replace("3}", "1}"))
    assert len(log.read()) == 1
    log.compact()
    assert (len(parts(tmp_path)), len(log.read())) == (3, 1)


def test_unfinished_files_of_the_dead_are_removed_and_those_of_the_living_are_not(
    tmp_path: Path,
) -> None:
    log = many_parts(tmp_path)
    folder = parts(tmp_path)[0].parent
    dead, living = folder / ".a.parquet.1.0.tmp", folder / ".b.parquet.1.0.tmp"
    dead.touch()
    with exclusive(living):
        log.compact()
        assert (dead.exists(), living.exists()) == (False, True)


def test_a_reader_whose_parts_have_gone_lists_them_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, compacted = many_parts(tmp_path), False
    rows, read_parts = log.read(), log.events.read_parts

    def compact_first(*arguments: object) -> object:
        nonlocal compacted
        if not compacted:
            compacted = True
            OfflineLog(tmp_path).compact()
        return read_parts(*arguments)

    monkeypatch.setattr(log.events, "read_parts", compact_first)
    assert log.read() == rows


def test_a_reader_lists_parts_again_if_they_were_exchanged_while_it_listed_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A listing may miss a new part that was added behind it and an old one removed before it."""
    from pagecast.featurestore.offline import dataset

    log, listings = many_parts(tmp_path), []
    rows, list_parts = log.read(), dataset.list_parts

    def missing(root: Path) -> object:
        listings.append(root)
        if len(listings) > 1:
            return list_parts(root)
        OfflineLog(tmp_path).compact()
        return []

    monkeypatch.setattr(dataset, "list_parts", missing)
    assert log.read() == rows
    assert len(listings) == 2


def test_a_reader_gives_up_after_so_many_listings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = many_parts(tmp_path)

    def gone(*_arguments: object) -> object:
        raise FileNotFoundError

    monkeypatch.setattr(log.events, "read_parts", gone)
    with pytest.raises(OSError, match="try again"):
        log.read()


def test_compaction_of_nothing_is_nothing(tmp_path: Path) -> None:
    assert OfflineLog(tmp_path).compact() == Compacted(0, 0, 0, 0)
    assert list(tmp_path.iterdir()) == []
