"""Ways to say an entity: what each predicts, of known and of cold entities, and what it costs.

Trained once, without the cold entities and up to a moment (`evaluation.cold_start`); asked for what
was chosen after it.

Letters: T targets.
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from pagecast.engine.bundles.bundle import load_bundle
from pagecast.engine.bundles.manifest import (
    CANARY_FILE,
    CHECKPOINT_FILE,
    DECODE_INT8_FILE,
    DECODE_INT8_MANY_FILE,
    FileDigest,
    Manifest,
)
from pagecast.engine.model import Model
from pagecast.rules.facts import RequestFacts
from pagecast.trainer.benchmarks.cells import Figures
from pagecast.trainer.benchmarks.page_ways import ENTITIES_PER_ROW, ROWS
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.evaluation.answering import answer
from pagecast.trainer.evaluation.figures.ranks import Gains, ndcg_gains
from pagecast.trainer.evaluation.pages.page_asked import AskedPage
from pagecast.trainer.evaluation.pages.page_figures import page_figures
from pagecast.trainer.evaluation.pages.page_making import pages_of
from pagecast.trainer.evaluation.pages.page_sample import PageAsk, sample_pages
from pagecast.trainer.evaluation.protocols.cold_start import AMONG_COLD, WARM, cold_start_plan
from pagecast.trainer.evaluation.protocols.interactions import Interactions
from pagecast.trainer.evaluation.protocols.requests import Request, Split
from pagecast.trainer.evaluation.systems.trained_system import TrainedSystem
from pagecast.trainer.evaluation.systems.training import known_of
from pagecast.trainer.export.bundle import BundleFacts, write_bundle
from pagecast.trainer.job import Trained
from pagecast.trainer.train import fit_on

IDS = "ids"

KNOWN_MAX = 2_000
"""Targets among known entities: a model that spells scores a trie for each, in tens of ms."""

NOT_SERVED = (CHECKPOINT_FILE, CANARY_FILE, DECODE_INT8_FILE, DECODE_INT8_MANY_FILE)
"""Files of a bundle that a server of exact weights does not hold in memory."""

Told = Callable[[float], None]


def spelled(
    data: Interactions,
    config: TrainConfig,
    *,
    pages: int,
    told: Told = lambda _: None,
    checkpoint: Path | None = None,
) -> Figures:
    """Trains, asks, exports and makes pages; with `checkpoint` the training goes on from there.

    `known_T`, `cold_T`, `among_known_T` and `among_cold_T` are the masked NDCG@10 of each target,
    the last two among entities of its own kind, because a model that favours whatever is new ranks
    all that is known lower; `known_user_T` and `cold_user_T` are whose targets they are;
    `weight_bytes` of the checkpoint. A model that spells its prompt out is not exported and makes
    no pages. `cpu_seconds` of the training are left out if it was resumed. Raises EvaluationError
    if nothing cold was chosen.
    """
    plan = cold_start_plan(data, KNOWN_MAX)
    known, cold, among_cold = plan.beside[WARM], plan.test, plan.beside[AMONG_COLD]
    assert among_cold.among_N is not None
    resumed = checkpoint is not None and checkpoint.exists()
    began_s = time.process_time()
    trained = fit_on(known_of(cold.part), config, lambda at: told(at.share_done), checkpoint)
    train_s = time.process_time() - began_s
    system = TrainedSystem(trained.model, trained.vocabulary)
    system.fit(cold.part)
    figures: dict[str, float | Sequence[float]] = {
        "known_T": _gains(system, known),
        "known_user_T": _users(known),
        "among_known_T": _gains(system, replace(known, among_N=~among_cold.among_N)),
        "cold_T": _gains(system, cold),
        "cold_user_T": _users(cold),
        "among_cold_T": _gains(system, among_cold),
        "positions": float(np.mean(system.positions(known.requests))),
        "weight_bytes": float(_bytes(trained)),
    }
    if not resumed:
        figures["cpu_seconds"] = train_s
    if (rate := system.hallucination_rate) is not None:
        figures["hallucination_rate"] = rate
    if config.model.merge_prompt:
        asked = sample_pages(known, PageAsk(facts_of=_facts, pages=pages))
        figures |= _served(trained, known.part.data, asked)
    return figures


def _gains(system: TrainedSystem, split: Split) -> list[float]:
    gain_T: Gains = ndcg_gains(answer(system, split).masked_T)
    gains: list[float] = gain_T.tolist()
    return gains


def _users(split: Split) -> list[float]:
    users: list[float] = split.part.data.user_X[split.targets()].astype(float).tolist()
    return users


def _bytes(trained: Trained) -> int:
    state = trained.model.state_dict().values()
    return sum(tensor.numel() * tensor.element_size() for tensor in state)


def _facts(data: Interactions, request: Request) -> RequestFacts:
    """Nothing that was watched stands on the page."""
    return RequestFacts(
        at_ms=request.at_ms,
        rows=ROWS,
        entities_per_row=ENTITIES_PER_ROW,
        watched=frozenset(data.entities[entity] for entity in request.history_H.tolist()),
    )


def _served(
    trained: Trained, data: Interactions, asked: Sequence[AskedPage]
) -> dict[str, float | Sequence[float]]:
    """What a bundle weighs, what its pages cost, and whether they keep the rules."""
    facts = BundleFacts(data={}, metrics={}, config=trained.config.to_json())
    with tempfile.TemporaryDirectory(prefix="bundle-") as folder:
        manifest = write_bundle(Path(folder), trained.model, trained.vocabulary, facts)
        bundle = load_bundle(Path(folder) / manifest.version)
    model = Model(bundle, data.catalog)
    found = page_figures(data, asked, pages_of(model), says_probabilities=False)
    return {
        "served_bytes": float(sum(one.size_bytes for one in _held(manifest))),
        "page_cpu_ms": _page_cpu_ms(model, asked),
        "rules_kept": found.rules_kept,
    }


def _held(manifest: Manifest) -> list[FileDigest]:
    return [digest for name, digest in manifest.files.items() if name not in NOT_SERVED]


def _page_cpu_ms(model: Model, asked: Sequence[AskedPage]) -> float:
    """Of the whole page, its prompt among it; the pages were made before, so nothing is cold."""
    make = pages_of(model)
    began_s = time.process_time()
    for one in asked:
        for _ in make(one):
            pass
    return 1000.0 * (time.process_time() - began_s) / max(len(asked), 1)
