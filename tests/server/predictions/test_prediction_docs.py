"""docs/prediction.md and its example do what they say, against a real server."""

import re
import sys
from pathlib import Path

from factories import free_port
from server.factories_server import House
from server.test_client_docs import run

from pagecast.engine.vectors.neighbours import EXACT_ENTITIES_MAX
from pagecast.server.predictions.embedding_job import CHUNK_USERS, RUNS_KEPT
from pagecast.server.predictions.predicting import PREDICTIONS_WAITING_MAX

ROOT = Path(__file__).parents[3]
DOCUMENT = (ROOT / "docs" / "prediction.md").read_text()


async def test_the_example_shows_that_scores_are_products(house: House) -> None:
    house.train_champion()
    port = free_port()
    [line] = re.findall(r"^python (docs/examples/\S+) (.*)$", DOCUMENT, re.MULTILINE)
    arguments = line[1].replace("50051", str(port)).split()
    command = (sys.executable, str(ROOT / line[0]), *arguments)
    async with house.serve(port=port, allow_client_clock=False):
        code, out, err = await run(*command)
    assert (code, err) == (0, "")
    assert "5 of 60 that may stand" in out
    pairs = re.findall(r"score (-?[\d.]+), product (-?[\d.]+)$", out, re.MULTILINE)
    assert len(pairs) == 5
    for score, product in pairs:
        assert abs(float(score) - float(product)) < 0.002
    code, _, err = await run(*command)
    assert (code, err.split(":")[0]) == (1, "UNAVAILABLE")


def test_limits_are_those_of_the_code() -> None:
    assert f"up to {EXACT_ENTITIES_MAX:,} candidates" in DOCUMENT
    assert f"{PREDICTIONS_WAITING_MAX} calls may wait" in DOCUMENT
    assert f"about {CHUNK_USERS} users" in DOCUMENT
    assert RUNS_KEPT == 3
    assert "newest three runs are kept" in DOCUMENT
