"""A Llama with our weights makes our page; this peer is optional."""

from pathlib import Path

import pytest

from pagecast.cli.bench.serve import world
from pagecast.cli.bench.serve.alone import Timed, peer_turn
from pagecast.cli.bench.serve.asked import asked_page
from pagecast.cli.bench.serve.generate import generate_turn
from pagecast.cli.bench.serve.peers import TorchEager, output_table
from pagecast.engine.bundles.bundle import load_bundle
from pagecast.engine.graph import EngineConfig
from pagecast.engine.model import Model
from pagecast.trainer.config import ModelConfig

SMALL = ModelConfig(d_model=64, layers=2, query_heads=4, kv_heads=1, mlp_hidden=64)


def test_its_page_is_the_one_of_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("transformers")
    monkeypatch.setattr(world, "MODEL", SMALL)
    built = world.build_world(tmp_path, entities=400, steps=6)
    model = Model(load_bundle(built.bundle, EngineConfig()), built.snapshot)
    torch_model = built.model()
    prompt, rules = asked_page(built)
    eager = peer_turn(TorchEager(torch_model, output_table(model)), model, prompt, rules)
    ours, theirs = Timed(), Timed()
    eager(ours)
    generate = generate_turn(torch_model, model, prompt, rules)
    # Twice: nothing of a page stays in the model.
    for _ in range(2):
        generate(theirs)
        assert len(ours.placed) == 220 and theirs.placed == ours.placed
