"""Which throughput is compared with which, and what it should reach."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pagecast.cli.bench.rows import Row

BARE = "bare"
WORKER = "worker"

REACH_OF_BARE = 1 / 3
"""The goal is a half."""

REACH_OF_QUIX = 3.0
"""The goal is five."""

REACH_OF_CONFLUENT = 1.5
"""Above it confluent-kafka is worth an extra."""


class _Comparison(NamedTuple):
    ours: str
    theirs: str
    what: str
    beside: str
    reach: float | None


_WHAT = "events/CPU-s, {}"

_COMPARISONS = (
    _Comparison(
        WORKER, BARE, _WHAT.format("Valkey"), "kafka-python, polls and parses", REACH_OF_BARE
    ),
    _Comparison(
        WORKER, "quix", _WHAT.format("Valkey"), "Quix Streams, the same job", REACH_OF_QUIX
    ),
    _Comparison(WORKER, "quix-append", _WHAT.format("Valkey"), "Quix Streams, only appends", None),
    _Comparison(
        "confluent",
        WORKER,
        _WHAT.format("Valkey, confluent-kafka"),
        "the worker, kafka-python",
        REACH_OF_CONFLUENT,
    ),
    _Comparison("sqlite", WORKER, _WHAT.format("SQLite"), "the worker, Valkey", None),
)
"""Events per second of the process's CPU, from Kafka to the named online store and offline log."""


def throughput_rows(rounds: Mapping[str, Sequence[float]]) -> list[Row]:
    """Rows of the measured systems from their events per CPU-second, by name, round by round."""
    return [
        Row.of_rounds(at.what, at.beside, rounds[at.ours], rounds[at.theirs], reach=at.reach)
        for at in _COMPARISONS
        if at.ours in rounds and at.theirs in rounds
    ]
