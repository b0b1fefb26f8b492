"""A forgotten user has no published embedding any more; what came after the order stays."""

from pathlib import Path

import numpy as np
from streaming.factories_erasing import TOPIC_ID, order, stores_of

from pagecast.featurestore.history.history import HistoryVersion
from pagecast.featurestore.models.embeddings import Embedding, EmbeddingKind
from pagecast.featurestore.state import StatePaths


def embedding(user_id: str, next_offset: int) -> Embedding:
    return Embedding(
        name=user_id,
        model_version="m",
        embedded_at_ms=1,
        version=HistoryVersion(topic_id=TOPIC_ID, partition=0, next_offset=next_offset),
        output_O=np.ones(2, np.float32),
    )


def test_an_order_takes_published_embeddings_from_both_stores(tmp_path: Path) -> None:
    with stores_of(StatePaths(root=tmp_path).create()) as stores:
        stores.fill()
        log, online = stores.offline.embeddings, stores.online
        run = log.begin("m", 1, chunks=1)
        log.write(run, "users-00000", [embedding("ada", 6), embedding("bob", 5)])
        online.write_embeddings(EmbeddingKind.USER, [embedding("ada", 6), embedding("bob", 5)])
        stores.eraser.erase(order("ada", 6))
        assert log.read(run)["name"].to_pylist() == ["bob"]
        assert set(online.read_embeddings(EmbeddingKind.USER, ["ada", "bob"])) == {"bob"}
        late = online.write_embeddings(EmbeddingKind.USER, [embedding("ada", 6)])
        assert late == ["ada"], "a job that read the history before cannot bring it back"
        assert online.write_embeddings(EmbeddingKind.USER, [embedding("ada", 9)]) == []
