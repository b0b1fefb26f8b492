"""`pagecast offline` on a state directory that nothing else uses."""

import base64
import json
from pathlib import Path

import pytest
from cli.factories_cli import document, pagecast
from factories import START_MS, event_id, timestamp

from pagecast.cli.exits import ExitCode
from pagecast.featurestore.history.tokens import token_of
from pagecast.featurestore.offline import LoggedEvent, LoggedPage, OfflineLog
from pagecast.v1 import events_pb2

PAGE = events_pb2.PageServed(
    page_id="p1",
    user_id="åda",
    requested_at=timestamp(START_MS),
    rows=[events_pb2.ServedRow(row_id="top", entity_ids=["e1", "e2"])],
)


def write_log(folder: Path) -> OfflineLog:
    """A page of which one entity was seen and left; two parts of events."""
    log = OfflineLog(folder / ".pagecast" / "offline")
    log.append_pages([LoggedPage("pages", 0, 0, PAGE, PAGE.SerializeToString())])
    seen = events_pb2.Impression(rows=[events_pb2.SeenRow(row_id="top", entity_ids=["e1"])])
    for offset in range(2):
        event = events_pb2.InteractionEvent(
            event_id=event_id(START_MS + offset),
            user_id="åda",
            occurred_at=timestamp(START_MS + offset),
            context=events_pb2.RequestContext(page_id="p1"),
            impression=seen,
        )
        value = event.SerializeToString()
        log.append([LoggedEvent("events", 0, offset, token_of(event), value)])
    return log


def test_compact_says_what_became_of_the_parts(tmp_path: Path) -> None:
    log = write_log(tmp_path)
    said = document(pagecast("offline", "compact", "--day", "2026-01-05", "--json", cwd=tmp_path))
    assert (said["parts_before"], said["parts_after"]) == (3, 2)
    assert len(log.read()) == 2


@pytest.mark.parametrize(
    "arguments",
    [("compact", "--day", "yesterday"), ("pages", "--out", "pages.csv")],
)
def test_a_wrong_option_exits_2_and_names_the_remedy(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    done = pagecast("offline", *arguments, cwd=tmp_path)
    assert done.returncode == ExitCode.BAD_INPUT
    assert arguments[1] in done.stderr


def test_pages_are_written_as_json_lines(tmp_path: Path) -> None:
    write_log(tmp_path)
    said = document(pagecast("offline", "pages", "--out", "pages.jsonl", "--json", cwd=tmp_path))
    assert said == {"path": "pages.jsonl", "pages": 1, "entities": 1}
    (line,) = (tmp_path / "pages.jsonl").read_text("utf-8").splitlines()
    page = json.loads(line)
    assert (page["user_id"], page["requested_at"]) == ("åda", "2026-01-05T12:00:00Z")
    assert base64.b64decode(page["page"]) == PAGE.SerializeToString()
    assert [(e["entity_id"], e["abandoned"]) for e in page["entities"]] == [("e1", True)]
