"""Tests that the figures measure what they say, not how fast reading is."""

import time
from pathlib import Path

import pytest
from factories_stores import valkey_server

from pagecast.cli.bench.reads import ReadsConfig, compare, measure_reads


@pytest.mark.faults
def test_both_stores_are_measured_beside_their_own_clients(tmp_path: Path) -> None:
    config = ReadsConfig(users=40, reads=200)
    with valkey_server(tmp_path / "valkey") as server:
        rows = measure_reads(tmp_path, server.url, config)
    assert {row.beside for row in rows} == {"sqlite3 SELECT", "redis-py GET", "packed history"}
    assert len({row.what for row in rows}) == len(rows)
    assert all(row.ours > 0 and row.theirs > 0 for row in rows)
    for row in rows:
        if row.what.startswith("bytes per user"):
            assert row.theirs > 10_000, "a full window"
            assert 0.9 < row.ratio < 2
        else:
            assert row.ratio == row.ours / row.theirs


def test_readers_take_turns_over_the_same_users() -> None:
    asked: list[tuple[str, str]] = []
    slow, quick = compare(
        ["a", "b", "c"],
        (
            lambda user_id: asked.append(("slow", user_id)) or time.sleep(0.002),
            lambda user_id: asked.append(("quick", user_id)),
        ),
        2,
    )
    warm = [(who, user) for who in ("slow", "quick") for user in "ab"]
    assert asked == [*warm, *warm, ("slow", "c"), ("quick", "c")]
    assert slow.p50_us >= 2000 > quick.p50_us
    assert slow.per_core_second != pytest.approx(1 / 0.002), "of CPU time: sleeping costs none"
