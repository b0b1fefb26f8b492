"""A small catalog, a model of it, and requests to draw pages for."""

from collections.abc import Sequence

import numpy as np
import torch
from factories import START_MS
from trainer.factories_trainer import SMALL

from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.history.history import Action, Profile, Step
from pagecast.featurestore.prompt.prompt import Prompt, RequestHalf
from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.rules.facts import RequestFacts
from pagecast.rules.page_rules import compile_rules
from pagecast.trainer.alignment.asks import Ask
from pagecast.trainer.alignment.policy import Policy
from pagecast.trainer.config import ModelConfig
from pagecast.trainer.data.dataset import Dataset
from pagecast.trainer.network.model import PageModel

WIDE = 8.0
"""Makes the logits of an untrained model differ by more than rounding does."""


def untrained(data: Dataset, config: ModelConfig = SMALL.model, seed: int = 0) -> Policy:
    """A model nobody has trained, whose opinions are strong all the same."""
    torch.manual_seed(seed)
    model = PageModel(config, data.vocabulary).eval()
    with torch.no_grad():
        model.row_output_RD.mul_(WIDE)
        model.tower.output.id.weight.mul_(WIDE)
    return Policy(model=model, vocabulary=data.vocabulary, catalog=data.catalog)


def steps(entities: Sequence[str]) -> tuple[Step, ...]:
    return tuple(
        Step(
            occurred_at_ms=START_MS + number * 60_000,
            entity_id=entity,
            action=Action.PLAY_FEATURE,
            device="tv",
            surface="home",
        )
        for number, entity in enumerate(entities)
    )


def ask_of(
    catalog: CatalogSnapshot,
    watched: Sequence[str] = ("e1", "e2"),
    *,
    user: str = "ada",
    rows: int = 3,
    entities: int = 4,
) -> Ask:
    """Somebody who has watched these asks for a page."""
    at_ms = START_MS + 3_600_000
    rules = compile_rules(
        CompiledCatalog(catalog),
        RequestFacts(
            at_ms=at_ms,
            watched=frozenset(watched),
            because=tuple(reversed(watched)),
            rows=rows,
            entities_per_row=entities,
        ),
        np.arange(10),
    )
    request = RequestHalf(at_ms=at_ms, device="tv", surface="home")
    prompt = Prompt(profile=Profile(), steps=steps(watched), request=request)
    return Ask(user_id=user, prompt=prompt, rules=rules)
