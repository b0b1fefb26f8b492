"""The reader of `pagecast page --browse`, fed with what a server sends."""

import pytest

from pagecast.cli.browsing import Reader, deeds_of
from pagecast.cli.exits import CommandError, InputError
from pagecast.cli.output import Output
from pagecast.v1 import homepage_pb2

OUTPUT = Output(as_json=False)


def row(position: int, title: str = "Heat") -> homepage_pb2.BrowseHomepageResponse:
    placed = homepage_pb2.EntityPlaced(entity_id="m1", title=title)
    started = homepage_pb2.RowStarted(row_id="top", row_position=position)
    completed = homepage_pb2.RowCompleted(row=started, entities=[placed])
    return homepage_pb2.BrowseHomepageResponse(row_completed=completed)


def reader(*hidden: str) -> Reader:
    page = homepage_pb2.StreamHomepageRequest(user_id="ada")
    return Reader(page, deeds_of("hide", hidden), rows_ahead=1)


def test_what_is_to_be_done_in_a_row_that_never_comes_is_told() -> None:
    reading = reader("1:1", "9:1")
    for position in range(2):
        reading.follow(row(position), OUTPUT)
    assert [deed["row_position"] for deed in reading.to_dict()["actions"]] == [0]
    with pytest.raises(CommandError, match="--hide 9:1: the page ended with row 2"):
        reading.refuse_undone()


def test_all_that_was_done_is_nothing_to_complain_of() -> None:
    reading = reader("1:1")
    reading.follow(row(0), OUTPUT)
    reading.refuse_undone()


def test_a_place_beyond_the_row_is_refused() -> None:
    with pytest.raises(InputError, match="--hide 1:2: the row has 1 entities"):
        reader("1:2").follow(row(0), OUTPUT)


def test_a_title_is_a_title(capsys: pytest.CaptureFixture[str]) -> None:
    reader("1:1").follow(row(0, "Heat [/x]"), Output(as_json=False))
    assert "Heat [/x]" in capsys.readouterr().out
