"""What taking up a model costs a server, part by part, without a server.

    python benchmarks/swap_parts.py --entities 20000 --folder /tmp/swap

Makes a catalog of that many entities and two models with random weights in the shape of `pagecast
bench serve`, then loads, binds and warms one after the other, as a swap does. For each part: wall
clock, its thread's CPU, and the longest another thread waited for the GIL, which is what pages
being decoded notice. Medians of the rounds, but the longest wait of all. serve.md has the results.
"""

import argparse
import json
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from pagecast.cli.bench.serve.world import World, build_world, train_another
from pagecast.engine.bundles import bundle as bundles
from pagecast.engine.bundles.checks import check_canary, check_graphs, check_indices
from pagecast.engine.bundles.files import open_bundle
from pagecast.engine.bundles.manifest import CANARY_FILE, VOCABULARY_FILE
from pagecast.engine.graph import EngineConfig, Graph
from pagecast.engine.model import Model
from pagecast.featurestore.database import connect
from pagecast.featurestore.models.records import CHAMPION
from pagecast.featurestore.models.registry import Registry
from pagecast.featurestore.prompt.vocabulary import entity_features
from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.server.main import SWITCH_INTERVAL_S
from pagecast.server.models.warming import warm

PULSE_S = 0.0002
"""Between two looks at the clock by the thread that waits for the GIL."""


class Pulse:
    """A thread that keeps wanting the GIL for an instant, as the decode loop does."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _beat(self) -> None:
        before_s = time.perf_counter()
        while not self._stopping.is_set():
            time.sleep(PULSE_S)
            now_s = time.perf_counter()
            self.longest_s = max(self.longest_s, now_s - before_s)
            before_s = now_s


class Took:
    """For each part: wall clock, CPU and longest wait, one per round."""

    def __init__(self, pulse: Pulse) -> None:
        self.parts: dict[str, list[tuple[float, float, float]]] = {}
        self._pulse = pulse

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        time.sleep(0.02)
        self._pulse.longest_s = 0.0
        wall_s, cpu_s = time.perf_counter(), time.thread_time()
        yield
        cpu_s, wall_s = time.thread_time() - cpu_s, time.perf_counter() - wall_s
        time.sleep(2 * PULSE_S)
        self.parts.setdefault(name, []).append((wall_s, cpu_s, self._pulse.longest_s))

    def rows(self) -> list[dict[str, Any]]:
        return [
            {
                "part": name,
                "wall_ms": round(median(wall for wall, _, _ in rounds) * 1000, 1),
                "cpu_ms": round(median(cpu for _, cpu, _ in rounds) * 1000, 1),
                "gil_ms_max": round(max(waited for _, _, waited in rounds) * 1000, 1),
            }
            for name, rounds in self.parts.items()
        ]


def swap(world: World, version: str, took: Took) -> Model:
    """Loads, binds and warms, as `ChampionFollower` does."""
    path = world.paths.bundles / version
    config = EngineConfig()
    with took.part("read and hash"):
        manifest, stored = open_bundle(path)
        files = {name: stored[name] for name in bundles._used(stored, config)}
    with took.part("vocabulary"):
        vocabulary = bundles._vocabulary(files[VOCABULARY_FILE])
    with took.part("rows"):
        weights_file = bundles._weights_file(files)
        bundles._row_tables(weights_file, bundles._tensors(weights_file, files[weights_file]))
    graphs: dict[str, Graph] = {}
    for name, file in (
        ("tower", "entity_tower.onnx"),
        ("prompt", "prompt.onnx"),
        ("decode", "decode.onnx"),
    ):
        with took.part(f"graph {name}"):
            graphs[name] = Graph(file, files[file], config)
    with took.part("checks"):
        check_graphs(graphs, manifest.model, vocabulary)
        check_indices(graphs, manifest.model, vocabulary)
        canary = bundles._tensors(CANARY_FILE, files[CANARY_FILE])
        check_canary(canary, graphs, manifest.model, vocabulary)
    with took.part("features alone"):
        features = entity_features(world.snapshot.entities, vocabulary)
    with took.part("tower alone, 1,024 at once"):
        for start in range(0, len(world.snapshot.entities), 1024):
            graphs["tower"].run({k: v[start : start + 1024] for k, v in features.items()})
    with took.part("tower alone, 256 at once"):
        for start in range(0, len(world.snapshot.entities), 256):
            graphs["tower"].run({k: v[start : start + 256] for k, v in features.items()})
    del features, graphs, files
    bundle = bundles.load_bundle(path)
    with took.part("embed"):
        model = Model(bundle, world.snapshot)
    catalog = CompiledCatalog(world.snapshot)
    with took.part("warm"):
        warm(model, catalog, model.entities.changed[:0])
    return model


def measure(world: World, rounds: int) -> list[dict[str, Any]]:
    versions = [world.bundle.name, train_another(world, 1)]
    engine = connect(world.paths.database_url)
    pulse = Pulse()
    took = Took(pulse)
    models: list[Model] = []
    try:
        registry = Registry(engine)
        for turn in range(rounds):
            with took.part("asking for the champion, 100 times"):
                for _ in range(100):
                    registry.resolve(CHAMPION)
            models.append(swap(world, versions[turn % 2], took))
            if len(models) > 1:
                with took.part("freeing a model"):
                    models.pop(0)
    finally:
        pulse.stop()
        engine.dispose()
    return took.rows()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--entities", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    shutil.rmtree(options.folder, ignore_errors=True)
    world = build_world(options.folder, options.entities, 58)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    rows = measure(world, options.rounds)
    if options.json:
        print(json.dumps({"entities": options.entities, "rows": rows}))
        return
    for row in rows:
        print(
            f"{row['part']:36} wall {row['wall_ms']:8.1f}  cpu {row['cpu_ms']:8.1f}"
            f"  GIL {row['gil_ms_max']:7.1f} ms"
        )


if __name__ == "__main__":
    main()
