"""`pagecast predict` and `pagecast similar` show what the service says."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from cli.factories_cli import document, pagecast

from pagecast.cli.exits import ExitCode
from pagecast.v1 import prediction_pb2 as pb
from pagecast.v1 import prediction_pb2_grpc


class Predictions(prediction_pb2_grpc.PredictionServiceServicer):
    """Answers as a server does, without a model behind it."""

    def PredictNext(self, request: Any, context: Any) -> pb.PredictNextResponse:
        likely = [pb.Likely(name="m1", title="Film one", probability=0.25)]
        return pb.PredictNextResponse(
            model_version="abc",
            predictions=[
                pb.HeadPrediction(
                    head=head, source=pb.PREDICTION_SOURCE_ENTITIES, likely=likely[: request.top_n]
                )
                for head in request.heads
            ],
        )

    def ListSimilarEntities(self, request: Any, context: Any) -> pb.ListSimilarEntitiesResponse:
        if request.entity_id == "none":
            context.abort(grpc.StatusCode.NOT_FOUND, "entity_id: the catalog has no entity 'none'")
        found = [pb.ScoredEntity(entity_id="m2", title="Film two", score=0.5)]
        return pb.ListSimilarEntitiesResponse(model_version="abc", entities=found)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(1))
    prediction_pb2_grpc.add_PredictionServiceServicer_to_server(Predictions(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


def test_predictions_are_shown_by_head(address: str, tmp_path: Path) -> None:
    done = pagecast("predict", "ada", "--json", "--server", address, cwd=tmp_path)
    told = document(done)
    assert [one["head"] for one in told["predictions"]] == [
        "PREDICTION_HEAD_ENTITY",
        "PREDICTION_HEAD_GENRE",
        "PREDICTION_HEAD_LANGUAGE",
    ]
    assert told["predictions"][0]["likely"][0]["probability"] == 0.25
    for shown in ("entity", "genre, summed over entities", "0.2500", "a stranger"):
        assert shown in done.stderr, "what is for people goes beside the document"


def test_an_entity_nobody_knows_is_bad_input(address: str, tmp_path: Path) -> None:
    done = pagecast("similar", "none", "--server", address, cwd=tmp_path)
    assert done.returncode == ExitCode.BAD_INPUT
    assert "the catalog has no entity 'none'" in done.stderr
    done = pagecast("similar", "m1", "--server", address, cwd=tmp_path)
    assert (done.returncode, "0.5000" in done.stdout) == (ExitCode.OK, True)


def test_embeddings_need_a_champion(tmp_path: Path) -> None:
    done = pagecast("embeddings", "write", "--json", cwd=tmp_path)
    assert done.returncode == ExitCode.FAILED
    assert "there is no champion; train a model and promote it" in done.stderr
