"""What the offline log takes and gives back."""

from collections.abc import Mapping
from typing import NamedTuple

from pagecast.featurestore.history.tokens import Token
from pagecast.v1 import events_pb2

NextOffsets = Mapping[tuple[str, int], int]
"""The next offset per (topic id, partition): a position in the log."""


class LoggedEvent(NamedTuple):
    """One record of the interaction topic."""

    topic_id: str
    partition: int
    offset: int
    token: Token
    value: bytes
    """The record's value as it came: an `InteractionEvent`."""


class LoggedPage(NamedTuple):
    """One record of the topic of served pages."""

    topic_id: str
    partition: int
    offset: int
    page: events_pb2.PageServed
    value: bytes
    """The record's value as it came: a `PageServed`."""
