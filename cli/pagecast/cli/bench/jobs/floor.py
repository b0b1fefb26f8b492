"""Measures, in turns and with one thread, decode steps and what this core can move and multiply."""

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from statistics import median

import numpy as np

from pagecast.cli.bench.serve.machine_rates import MachineRates, machine_rates, read_bytes_per_s
from pagecast.cli.bench.serve.step_floor import step_work
from pagecast.engine.bundles.bundle import load_bundle
from pagecast.engine.bundles.manifest import DecodeWeights
from pagecast.engine.choice import CandidateHead, best
from pagecast.engine.graph import EngineConfig, FloatArray

STEPS = 30
"""Steps of a round, whose figure is their median."""


class Steps:
    """Pages in their slots, each in a row of its own, that repeat one step."""

    def __init__(
        self, bundle: Path, weights: DecodeWeights, pages: int, positions: int, row_c: int
    ) -> None:
        loaded = load_bundle(bundle, EngineConfig(decode_weights=weights))
        self._decoder = loaded.decoder(pages)
        self.shape = loaded.manifest.model
        chance = np.random.default_rng(0)
        self._slots = range(pages)
        for slot in self._slots:
            self._decoder.slots.begin(slot)
            self._decoder.feed(slot, _normal(chance, positions, self.shape.d_model))
        self._tokens_BD = _normal(chance, pages, self.shape.d_model)
        output_ND = _normal(chance, 3 * row_c, self.shape.output_dim)
        rows_c = [np.sort(chance.permutation(3 * row_c)[:row_c]) for _ in self._slots]
        self._heads = [CandidateHead(output_ND, row_c) for row_c in rows_c]

    def round_ms(self) -> float:
        """The median CPU time of a step: run, logits of the rows' candidates, choices."""
        self._step()
        measured = []
        for _ in range(STEPS):
            began_s = time.thread_time()
            self._step()
            measured.append((time.thread_time() - began_s) * 1000)
        return median(measured)

    def _step(self) -> None:
        hidden_BO = self._decoder.step(self._slots, self._tokens_BD)
        for slot, head, hidden_O in zip(self._slots, self._heads, hidden_BO, strict=True):
            best(head.logits(hidden_O))
            self._decoder.take_back(slot, 1)


def _normal(chance: np.random.Generator, rows: int, width: int) -> FloatArray:
    return chance.standard_normal((rows, width), np.float32)


def _better(a: MachineRates, b: MachineRates) -> MachineRates:
    pairs = zip(asdict(a).items(), asdict(b).values(), strict=True)
    return MachineRates(**{name: max(one, other) for (name, one), other in pairs})


def main() -> None:
    """Settings: bundle, pages (numbers), positions, candidates, rounds, result.

    Writes {"rates", "steps": [{"weights", "pages", "work", "read_bytes_per_s", "step_ms"}]} to the
    file `result`. Rates are the best of all rounds: a limit is what was once possible.
    """
    settings = json.loads(sys.argv[1])
    bundle, positions = Path(settings["bundle"]), settings["positions"]
    row_c = settings["candidates"]
    told = []
    for weights in DecodeWeights:
        for pages in settings["pages"]:
            steps = Steps(bundle, weights, pages, positions, row_c)
            work = step_work(bundle, weights, steps.shape, pages, positions, row_c)
            told.append((weights, pages, work, steps))
    rates = machine_rates()
    read = [0.0] * len(told)
    step_ms: list[list[float]] = [[] for _ in told]
    for _ in range(settings["rounds"]):
        rates = _better(rates, machine_rates())
        for number, (_, _, work, steps) in enumerate(told):
            read[number] = max(read[number], read_bytes_per_s(work.bytes))
            step_ms[number].append(steps.round_ms())
    written = [
        {
            "weights": weights,
            "pages": pages,
            "work": asdict(work),
            "read_bytes_per_s": r,
            "step_ms": ms,
        }
        for (weights, pages, work, _), r, ms in zip(told, read, step_ms, strict=True)
    ]
    Path(settings["result"]).write_text(json.dumps({"rates": asdict(rates), "steps": written}))


if __name__ == "__main__":
    main()
