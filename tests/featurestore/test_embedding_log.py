"""Runs of published embeddings as Parquet: resumed, kept, erased."""

from pathlib import Path

import pytest
from featurestore.models.test_embeddings import embedding
from featurestore.test_offline_erasure import files_with

from pagecast.featurestore.history.history import HistoryVersion
from pagecast.featurestore.models.embeddings import catalog_version
from pagecast.featurestore.offline import OfflineLog
from pagecast.featurestore.offline.embedding_log import EmbeddingLog


def at(next_offset: int, topic_id: str = "t") -> HistoryVersion:
    return HistoryVersion(topic_id=topic_id, partition=0, next_offset=next_offset)


@pytest.fixture
def log(tmp_path: Path) -> EmbeddingLog:
    return OfflineLog(tmp_path).embeddings


def test_an_unfinished_run_of_the_model_is_gone_on_with(log: EmbeddingLog) -> None:
    run = log.begin("model-a", 1_000, chunks=4)
    log.write(run, "users-00002", [embedding("ada", at(3), 1.0)])
    assert log.begin("model-a", 2_000, chunks=9) == run, "its chunks stay what they were"
    assert log.has(run, "users-00002")
    assert not log.has(run, "users-00001")
    assert log.begin("model-b", 3_000, chunks=1) != run
    log.finish(run, 4_000)
    assert log.begin("model-a", 5_000, chunks=9).embedded_at_ms == 5_000


def test_every_user_has_a_chunk_which_does_not_change(log: EmbeddingLog) -> None:
    run = log.begin("m", 0, chunks=7)
    chunks = [run.chunk_of(f"user {i}") for i in range(200)]
    assert chunks == [run.chunk_of(f"user {i}") for i in range(200)]
    assert set(chunks) == set(range(7))


def test_only_the_newest_runs_are_kept(log: EmbeddingLog) -> None:
    for at_ms in range(5):
        log.finish(log.begin("m", at_ms, chunks=1), at_ms + 1)
    log.keep_newest(2)
    assert [run.embedded_at_ms for run in log.runs()] == [3, 4]
    assert len([path for path in log.root.iterdir() if path.is_dir()]) == 2


def test_rows_say_what_they_are_and_what_made_them(log: EmbeddingLog) -> None:
    run = log.begin("m", 0, chunks=1)
    log.write(run, "users-00000", [embedding("ada", at(3), 1.0, 2.0)])
    log.write(run, "entities", [embedding("m1", catalog_version(8), 3.0)])
    entity, user = log.read(run).to_pylist()
    assert (entity["kind"], entity["name"], entity["next_offset"]) == ("entities", "m1", 8)
    assert (user["kind"], user["name"], user["model_version"]) == ("users", "ada", "m")
    assert (user["output"], user["input"]) == ([1.0, 2.0], [2.0, 1.0])
    assert user["embedded_at"].timestamp() == 0.005


def test_an_erased_user_is_in_no_file(tmp_path: Path) -> None:
    offline = OfflineLog(tmp_path)
    log = offline.embeddings
    for at_ms in (0, 1):
        run = log.begin(f"m{at_ms}", at_ms, chunks=1)
        users = [embedding("ann-the-first", at(3), 1.0), embedding("ben-the-second", at(4), 1.0)]
        log.write(run, "users-00000", users)
    assert offline.erase("ann-the-first", "t", 0, 3, 0) == 0, "events and pages are counted"
    assert files_with(tmp_path, "ann-the-first") == []
    assert len(files_with(tmp_path, "ben-the-second")) == 2


def test_what_was_made_from_a_later_history_stays(log: EmbeddingLog) -> None:
    run = log.begin("m", 0, chunks=1)
    rows = [embedding("ada", at(5), 1.0), embedding("ada", at(9, "other"), 2.0)]
    log.write(run, "users-00000", rows)
    assert log.erase("ada", "t", 0, 4) == 1, "another log's says nothing of this erasure"
    assert log.erase("ada", "t", 0, 4) == 0
    assert [row["output"] for row in log.read(run).to_pylist()] == [[1.0]]
    assert log.erase("ada", "t", 0, 5) == 1
    assert log.has(run, "users-00000"), "an emptied chunk is still done"
