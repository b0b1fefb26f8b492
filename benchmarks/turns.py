"""What it costs that pages are at different places in their rows, and that first rows come first.

    OMP_NUM_THREADS=1 python benchmarks/turns.py --folder /tmp/turns

Hybrid pages (k=3) through 16 slots, in one thread without a server: begun all at once, generation
by generation, and one after the other, where a page begins whenever one ends, in a hurry or not.
Prints JSON: per page, the thread's CPU, turns, runs of the decoder and pages in its steps. A world
already in the folder is used again. serve.md has the results.
"""

import argparse
import json
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pagecast.cli.bench.serve.asked import asked_page
from pagecast.cli.bench.serve.config import HYBRID_K
from pagecast.cli.bench.serve.page_shape import PageShape
from pagecast.cli.bench.serve.world import USER, World, build_world
from pagecast.engine.batching.page_batch import PageBatch
from pagecast.engine.batching.page_job import PageSink, prepare
from pagecast.engine.batching.prefix_cache import PrefixCache
from pagecast.engine.bundles.bundle import load_bundle
from pagecast.engine.bundles.manifest import DecodeWeights
from pagecast.engine.decode_options import DecodeOptions
from pagecast.engine.graph import EngineConfig
from pagecast.engine.model import Model
from pagecast.engine.page_events import PageEvent, RowEnded
from pagecast.featurestore.catalog.catalog import Catalog
from pagecast.featurestore.database import connect
from pagecast.featurestore.state import StatePaths

SLOTS = 16
TURNS_BETWEEN = 4
"""From one of the first pages to the next: a page takes some 64 turns, so they spread evenly."""

HISTORY_STEPS = 258


class Lane:
    """A batch that counts its rows, runs and CPU."""

    def __init__(self, world: World, model: Model, *, in_a_hurry: bool) -> None:
        self.counts: Counter[str] = Counter()
        self.began = self.ended = 0
        self._model, self._in_a_hurry = model, in_a_hurry
        self._prompt, self._rules = asked_page(world)
        self._prefixes = PrefixCache()
        self._decoder = model.bundle.decoder(SLOTS)
        self.batch = PageBatch(self._decoder, self._prefixes)
        self._watch("step", lambda slots, _: {"steps": 1, "pages_of_steps": len(slots)})
        self._watch("chunk", lambda *_: {"chunks": 1})
        self.join()
        while len(self.batch):  # its prefix is kept from here on
            self.batch.turn()

    def join(self) -> None:
        sink = PageSink(put=self._put, end=self._end, in_a_hurry=self._in_a_hurry)
        options = DecodeOptions(exact_entities=HYBRID_K)
        job = prepare(
            *(self._model, USER, self._prompt, self._rules, options, self._prefixes, sink),
            forgotten=0,
        )
        self.batch.join(job)
        self.began += 1

    def turn(self) -> None:
        began_ns = time.thread_time_ns()
        self.batch.turn()
        self.counts["cpu_ns"] += time.thread_time_ns() - began_ns
        self.counts["turns"] += 1

    def per_page(self) -> dict[str, float]:
        pages = self.counts.pop("rows") / PageShape().rows
        cpu_ms = self.counts.pop("cpu_ns") / 1e6
        told = {"pages": round(pages, 1), "cpu_ms": round(cpu_ms / pages, 1)}
        return told | {name: round(count / pages, 2) for name, count in self.counts.items()}

    def _watch(self, name: str, counted: Any) -> None:
        run = getattr(self._decoder, name)

        def watched(*arguments: Any) -> Any:
            self.counts.update(counted(*arguments))
            return run(*arguments)

        setattr(self._decoder, name, watched)

    def _put(self, events: Sequence[PageEvent]) -> None:
        self.counts["rows"] += sum(isinstance(event, RowEnded) for event in events)

    def _end(self, error: BaseException | None) -> None:
        if error is not None:
            raise error
        self.ended += 1


def all_at_once(lane: Lane, pages: int) -> dict[str, float]:
    lane.counts.clear()
    for _ in range(0, pages, SLOTS):
        for _ in range(SLOTS):
            lane.join()
        while len(lane.batch):
            lane.turn()
    return lane.per_page()


def one_after_the_other(lane: Lane, pages: int) -> dict[str, float]:
    """Counts from when the first page has left until `pages` have begun."""
    for _ in range(SLOTS):
        lane.join()
        for _ in range(TURNS_BETWEEN):
            lane.turn()
    ended = lane.ended
    while lane.ended == ended:
        lane.turn()
    lane.counts.clear()
    until = lane.began + pages
    while lane.began < until:
        while not lane.batch.full:
            lane.join()
        lane.turn()
    return lane.per_page()


def world_in(folder: Path, entities: int) -> World:
    if not folder.exists():
        return build_world(folder, entities, HISTORY_STEPS)
    paths = StatePaths(root=folder)
    engine = connect(paths.database_url)
    snapshot = Catalog(engine).snapshot()
    engine.dispose()
    return World(paths=paths, snapshot=snapshot, bundle=next(paths.bundles.iterdir()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--entities", type=int, default=20_000)
    parser.add_argument("--pages", type=int, default=48)
    parser.add_argument("--weights", default="fp32", choices=list(DecodeWeights))
    asked = parser.parse_args()
    world = world_in(asked.folder, asked.entities)
    config = EngineConfig(decode_weights=DecodeWeights(asked.weights))
    model = Model(load_bundle(world.bundle, config), world.snapshot)
    hurried, patient = (Lane(world, model, in_a_hurry=hurry) for hurry in (True, False))
    told = {
        "all at once": all_at_once(hurried, asked.pages),
        "one after the other, in a hurry": one_after_the_other(hurried, asked.pages),
        "one after the other, in no hurry": one_after_the_other(patient, asked.pages),
    }
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
