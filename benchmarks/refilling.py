"""What a bundle costs when torch exports it, and when it is made of the previous model's graphs.

    python benchmarks/refilling.py --rounds 3

Models have the default config, random weights and a vocabulary of 2,000 entities, the newer one
four more. Every bundle is written by a process of its own, as every training's is, and the two ways
take turns. Prints JSON: CPU and wall-clock seconds of `write_bundle`, medians of the rounds, and
whether both ways gave the same bundle. ADR 25 has the results.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import torch

from pagecast.featurestore.prompt.vocabulary import Vocabulary
from pagecast.trainer.config import ModelConfig, TrainConfig
from pagecast.trainer.export.bundle import BundleFacts, load_model, write_bundle
from pagecast.trainer.export.refilling import Former
from pagecast.trainer.network.model import PageModel

WAYS = ("exported", "refilled")
ENTITIES, NEW = 2_000, 4


def vocabulary_of(entities: int) -> Vocabulary:
    return Vocabulary(
        entities=tuple(f"e{number}" for number in range(entities)),
        entity_interactions=(5,) * entities,
        rows=("top", "new"),
        genres=tuple(f"g{number}" for number in range(20)),
    )


def bundle_of(folder: Path, seed: int, entities: int, former: Former | None = None) -> Path:
    torch.manual_seed(seed)
    vocabulary = vocabulary_of(entities)
    model = PageModel(ModelConfig(), vocabulary)
    facts = BundleFacts(data={}, metrics={}, config=TrainConfig().to_json())
    return folder / write_bundle(folder, model, vocabulary, facts, former=former).version


def one(way: str, base: Path) -> dict[str, float | str]:
    """Writes the newer bundle; run in a process of its own."""
    former = None
    if way == "refilled":
        model, vocabulary, _ = load_model(base)
        former = Former.of(base, model, vocabulary)
    with tempfile.TemporaryDirectory() as folder:
        cpu, clock = time.process_time(), time.perf_counter()
        version = bundle_of(Path(folder), 1, ENTITIES + NEW, former).name
        return {
            "cpu_seconds": time.process_time() - cpu,
            "seconds": time.perf_counter() - clock,
            "version": version,
        }


def in_turns(rounds: int) -> dict[str, object]:
    taken: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    versions = set()
    with tempfile.TemporaryDirectory() as folder:
        base = bundle_of(Path(folder), 0, ENTITIES)
        for way in WAYS * rounds:
            command = [sys.executable, __file__, "--one", way, "--base", str(base)]
            told = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
            versions.add(told.pop("version"))
            taken[way].append(told)
    return {
        **{
            way: {name: median(t[name] for t in told) for name in ("cpu_seconds", "seconds")}
            for way, told in taken.items()
        },
        "same_bundle": len(versions) == 1,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", choices=WAYS, help="for the process that writes one bundle")
    parser.add_argument("--base", type=Path)
    told = parser.parse_args()
    print(json.dumps(one(told.one, told.base) if told.one else in_turns(told.rounds)))


if __name__ == "__main__":
    main()
