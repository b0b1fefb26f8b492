"""What cheaper decoding costs in quality: one trained model, exported, asked in both of its forms.

On the validation part of leave-one-out, like `validated`: the test is never looked at.

Letters: T prompt positions and targets, D width, O width of hidden states.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from pagecast.engine.batching.prompt_tokens import encode, tokens_of
from pagecast.engine.bundles.bundle import load_bundle
from pagecast.engine.bundles.manifest import DecodeWeights
from pagecast.engine.choice import choose
from pagecast.engine.decode_options import DecodeOptions
from pagecast.engine.graph import EngineConfig
from pagecast.engine.model import Model
from pagecast.engine.page import decode_page
from pagecast.engine.page_events import EntityChosen, PageEvent, RowBegun, RowEnded
from pagecast.featurestore.prompt.prompt import Prompt
from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.rules.facts import RequestFacts
from pagecast.rules.page_rules import compile_rules
from pagecast.rules.page_state import PageState
from pagecast.trainer.benchmarks.cells import Figures
from pagecast.trainer.benchmarks.page_ways import ENTITIES_PER_ROW, ROWS, page_ways
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.evaluation.answering import answer
from pagecast.trainer.evaluation.figures.ranks import ndcg_gains
from pagecast.trainer.evaluation.protocols.interactions import Interactions
from pagecast.trainer.evaluation.protocols.splits import LEAVE_ONE_OUT, plan_of
from pagecast.trainer.evaluation.systems.engine_system import EngineSystem
from pagecast.trainer.evaluation.systems.pagecast_system import PagecastSystem
from pagecast.trainer.evaluation.systems.training import Trainings
from pagecast.trainer.export.bundle import BundleFacts, write_bundle
from pagecast.trainer.job import Trained


def decoded(
    data: Interactions,
    config: TrainConfig,
    *,
    pages: int = 100,
    told: Callable[[float], None] = lambda _: None,
) -> Figures:
    """Trains and exports; NDCG@10 of both forms, how often they choose the same on a page, and what
    becomes of whole pages that are decoded otherwise (`page_ways`).

    Raises ValueError if no page can be made of the catalog.
    """
    split = plan_of(LEAVE_ONE_OUT, data).validation
    system = PagecastSystem(config, Trainings())
    system.fit(split.part, told)
    exact, rounded = (EngineSystem(model, data) for model in both_forms(system.trained, data))
    exact_T, rounded_T = (ndcg_gains(answer(each, split).masked_T) for each in (exact, rounded))
    equal = [
        same
        for request in split.requests[:pages]
        for same in page_choices(exact.model, rounded.model, exact.prompt(request))
    ]
    if not equal:
        raise ValueError("no page has a choice: the catalog has no row that can be filled")
    return {
        "ndcg_at_10_fp32": float(exact_T.mean()),
        "ndcg_at_10_int8": float(rounded_T.mean()),
        "ndcg_difference_error": float((rounded_T - exact_T).std() / np.sqrt(len(exact_T))),
        "equal_choices": float(np.mean(equal)),
        "choices": float(len(equal)),
        **page_ways(exact.model, rounded.model, data, split.requests[:pages]),
    }


def both_forms(trained: Trained, data: Interactions) -> tuple[Model, Model]:
    """A trained model exported and loaded, exact and with 8-bit weights."""
    facts = BundleFacts(data={}, metrics={}, config=trained.config.to_json())
    with tempfile.TemporaryDirectory(prefix="bundle-") as folder:
        manifest = write_bundle(Path(folder), trained.model, trained.vocabulary, facts)
        exact, rounded = (
            load_bundle(Path(folder) / manifest.version, EngineConfig(decode_weights=weights))
            for weights in (DecodeWeights.FP32, DecodeWeights.INT8)
        )
    return Model(exact, data.catalog), Model(rounded, data.catalog)


def page_choices(exact: Model, rounded: Model, prompt: Prompt) -> Iterator[bool]:
    """Whether 8-bit weights would make each choice of the exact page, what precedes it given."""
    facts = RequestFacts(at_ms=prompt.request.at_ms, rows=ROWS, entities_per_row=ENTITIES_PER_ROW)
    everything = range(len(exact.snapshot.entities))  # a row of what is popular offers all
    rules = compile_rules(CompiledCatalog(exact.snapshot), facts, everything)
    options = DecodeOptions(exact_entities=ENTITIES_PER_ROW)
    events = list(decode_page(exact, prompt, rules, options))
    return _same_choices(rounded, prompt, PageState(rules), events)


def _same_choices(
    model: Model, prompt: Prompt, state: PageState, events: Sequence[PageEvent]
) -> Iterator[bool]:
    decoder = model.bundle.decoder(slots=1)
    tokens_TD = tokens_of(model, encode(model, prompt))
    hidden_O = decoder.feed(0, tokens_TD)[-1]
    for event in events:
        if isinstance(event, RowBegun):
            best = choose(model.row_output_RD @ hidden_O, state.row_mask_R).position
            yield best == event.row
            argument = state.begin_row(event.row)
            token_D = model.row_token(event.row, argument, tokens_TD[-1])
        elif isinstance(event, EntityChosen):
            best = choose(model.entities.output_ND @ hidden_O, state.entity_mask_N).position
            yield best == event.entity
            state.place(event.entity)
            token_D = model.entities.input_ND[event.entity]
        else:
            if isinstance(event, RowEnded):
                state.end_row()
            continue
        hidden_O = decoder.feed(0, token_D[None])[-1]
