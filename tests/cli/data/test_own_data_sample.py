"""The sample of docs/own-data.md obeys the protos' rules; test_own_data runs the walk-through."""

import json
from pathlib import Path

import protovalidate
import pytest
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message

from pagecast.v1 import catalog_pb2, events_pb2

SAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "own-data"


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
