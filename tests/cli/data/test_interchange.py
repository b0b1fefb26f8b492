from pathlib import Path

import pytest
from cli.factories_interchange import (
    STEPS,
    USERS,
    walk,
    write_catalog,
    write_folder,
    write_lines,
)
from factories import START_MS, play, timestamp

from pagecast.cli.data.interchange import interchange_files, read_interchange
from pagecast.cli.exits import InputError
from pagecast.featurestore.history.fold import FoldConfig
from pagecast.v1 import events_pb2


def test_events_become_steps_by_the_fold_of_ingest(tmp_path: Path) -> None:
    data = read_interchange(write_folder(tmp_path))
    assert [user.user_id for user in data.users] == [f"{n}" for n in range(USERS)]
    assert {len(user.steps) for user in data.users} == {STEPS}, "a Play and its Rate are one step"
    never = read_interchange(tmp_path, FoldConfig(merge_gap_ms={}))
    assert {len(user.steps) for user in never.users} == {2 * STEPS}


def test_the_catalog_is_in_the_order_of_its_file(tmp_path: Path) -> None:
    catalog = read_interchange(write_folder(tmp_path)).catalog
    assert [e.entity_id for e in catalog.entities][:3] == ["e0", "e1", "e2"]
    assert catalog.rows[0].row_id == "top"


def test_files_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    write_folder(tmp_path)
    write_lines(tmp_path / "profiles.jsonl", [])
    names = [path.name for path in interchange_files(tmp_path)]
    assert names == [
        "catalog.jsonl",
        "profiles.jsonl",
        "interactions-1.jsonl",
        "interactions-2.jsonl",
    ]


def test_an_event_that_is_in_two_files_counts_once(tmp_path: Path) -> None:
    write_catalog(tmp_path)
    write_lines(tmp_path / "interactions-all.jsonl", walk(1))
    write_lines(tmp_path / "interactions.jsonl", walk(1))
    (user,) = read_interchange(tmp_path).users
    assert [step.events for step in user.steps] == [2] * STEPS


def test_the_newest_profile_of_a_user_is_known(tmp_path: Path) -> None:
    write_folder(tmp_path)
    changes = [
        events_pb2.ProfileChange(user_id="3", occurred_at=timestamp(START_MS), language=language)
        for language in ("en", "fr")
    ]
    write_lines(tmp_path / "profiles.jsonl", changes)
    users = {user.user_id: user for user in read_interchange(tmp_path).users}
    assert users["3"].profile.language == "fr"
    assert users["4"].profile.language == ""


def test_a_wrong_line_is_told_with_file_and_line(tmp_path: Path) -> None:
    write_folder(tmp_path)
    wrong = {"eventId": "no-uuid", "userId": "u", "occurredAt": "2026-01-01T00:00:00Z"}
    good = play("u", "e1", START_MS)
    write_lines(tmp_path / "interactions-2.jsonl", [good, {**wrong, "click": {"entityId": "e"}}])
    with pytest.raises(InputError, match=r"interactions-2\.jsonl:2: event_id: .*; mend the line"):
        read_interchange(tmp_path)


def test_what_stands_in_the_wrong_file_is_told(tmp_path: Path) -> None:
    write_folder(tmp_path)
    catalog = (tmp_path / "catalog.jsonl").read_text()
    (tmp_path / "interactions-3.jsonl").write_text(catalog)
    with pytest.raises(InputError, match=r"interactions-3\.jsonl: message 1 is no event"):
        read_interchange(tmp_path)
    (tmp_path / "interactions-1.jsonl").rename(tmp_path / "catalog.jsonl")
    with pytest.raises(InputError, match=r"catalog\.jsonl: message 1 is no catalog change"):
        read_interchange(tmp_path)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no folder"):
        interchange_files(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"holds no catalog\.jsonl"):
        interchange_files(tmp_path)
    write_catalog(tmp_path)
    with pytest.raises(InputError, match=r"holds no interactions\*\.jsonl"):
        interchange_files(tmp_path)


def test_an_empty_catalog_is_told(tmp_path: Path) -> None:
    write_folder(tmp_path)
    write_lines(tmp_path / "catalog.jsonl", [])
    with pytest.raises(InputError, match="no entities or no rows"):
        read_interchange(tmp_path)
