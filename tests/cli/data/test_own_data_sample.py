"""What docs/own-data.md shows obeys the protos' rules; test_own_data runs the walk-through."""

import json
import re
from pathlib import Path

import protovalidate
import pytest
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message

from pagecast.v1 import catalog_pb2, events_pb2

DOCUMENT = Path(__file__).parents[3] / "docs" / "own-data.md"
SAMPLE = DOCUMENT.parent / "examples" / "own-data"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("catalog.jsonl", catalog_pb2.CatalogChange),
        ("profiles.jsonl", events_pb2.ProfileChange),
        ("interactions.jsonl", events_pb2.InteractionEvent),
    ],
)
def test_every_line_is_valid(name: str, message: type[Message]) -> None:
    for line in (SAMPLE / name).read_text("utf-8").splitlines():
        protovalidate.validate(ParseDict(json.loads(line), message()))


def test_every_change_and_event_of_the_document_is_valid() -> None:
    blocks = re.findall(r"^```json\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    lines = [json.loads(line) for block in blocks for line in block.splitlines()]
    assert len(lines) > 5
    for line in lines:
        message = events_pb2.InteractionEvent if "eventId" in line else catalog_pb2.CatalogChange
        protovalidate.validate(ParseDict(line, message()))
