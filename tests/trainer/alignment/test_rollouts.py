"""Pages drawn by the engine under the rules, of which torch says what the engine said."""

import dataclasses

import numpy as np
import pytest
import torch
from trainer.alignment.factories_alignment import ask_of, untrained
from trainer.factories_trainer import SMALL

from pagecast.engine.bundles.bundle import load_bundle
from pagecast.engine.model import Model
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.state import StatePaths
from pagecast.trainer.alignment.config import GROUP_MAX
from pagecast.trainer.alignment.likelihood import Features, log_probabilities
from pagecast.trainer.alignment.policy import Policy, engine_model
from pagecast.trainer.alignment.rollouts import Rollout, draw_group, page_seed
from pagecast.trainer.config import ModelConfig
from pagecast.trainer.data.dataset import Dataset
from pagecast.trainer.export.bundle import load_model
from pagecast.trainer.job import TrainOutcome

SEEDS = [page_seed(0, number) for number in range(6)]


def recomputed(policy: Policy, group: list[Rollout], temperature: float = 1.0) -> np.ndarray:
    with torch.no_grad():
        embedded = Features.of(policy).embedded(policy.model)
        return log_probabilities(policy, embedded, group, temperature).numpy()


def recorded(group: list[Rollout]) -> np.ndarray:
    return np.concatenate([rollout.log_p_N for rollout in group])


@pytest.mark.parametrize(
    "model",
    [
        SMALL.model,
        dataclasses.replace(SMALL.model, layers=2, query_heads=2, output_dim=16),
        dataclasses.replace(SMALL.model, compress_keep=64, conditioned_head=True),
    ],
    ids=["plain", "deeper", "compressing"],
)
def test_torch_gives_every_token_the_log_probability_it_was_drawn_with(
    dataset: Dataset, model: ModelConfig
) -> None:
    policy, temperature = untrained(dataset, model), 0.7
    watched = [f"e{n}" for n in range(20)] * 10
    for ask in (ask_of(dataset.catalog), ask_of(dataset.catalog, watched, rows=5, entities=6)):
        group = draw_group(engine_model(policy), ask, SEEDS, temperature)
        again = recomputed(policy, group, temperature)
        assert len(again) == sum(1 + len(r.entities) for page in group for r in page.rows)
        np.testing.assert_allclose(again, recorded(group), rtol=0, atol=1e-4)


@pytest.mark.faults
def test_it_says_the_same_of_pages_of_the_exported_model(
    outcome: tuple[TrainOutcome, list[str], StatePaths], catalog: CatalogSnapshot
) -> None:
    """onnxruntime draws, torch recomputes: what is served is what is aligned."""
    bundle = outcome[0].bundle
    model, vocabulary, _ = load_model(bundle)
    policy = Policy(model=model, vocabulary=vocabulary, catalog=catalog)
    ask = ask_of(catalog)
    exported = draw_group(Model(load_bundle(bundle), catalog), ask, SEEDS)
    np.testing.assert_allclose(recomputed(policy, exported), recorded(exported), rtol=0, atol=1e-4)
    inside = draw_group(engine_model(policy), ask, SEEDS)
    same = [a.rows == b.rows for a, b in zip(exported, inside, strict=True)]
    assert sum(same) >= len(same) - 1, "the same seed, the same page, but for a near tie"


def test_without_the_masks_it_would_be_another_distribution(dataset: Dataset) -> None:
    policy = untrained(dataset)
    group = draw_group(engine_model(policy), ask_of(dataset.catalog), SEEDS)
    full = [np.full_like(mask, 255) for mask in group[0].allowed]
    blind = [dataclasses.replace(group[0], allowed=tuple(full))]
    assert (recomputed(policy, blind) < recorded(group[:1]) - 1e-3).any()


def test_pages_keep_the_rules(dataset: Dataset) -> None:
    policy = untrained(dataset)
    ask = ask_of(dataset.catalog, rows=4, entities=5)
    for page in draw_group(engine_model(policy), ask, SEEDS):
        assert len(page.entities) == len(set(page.entities))
        watched = {dataset.catalog.entity_index[e] for e in ("e1", "e2")}
        assert not watched & set(page.entities)
        assert len(page.rows) <= 4
        assert all(1 <= len(row.entities) <= 5 for row in page.rows)
        assert len(page.allowed) == len(page.log_p_N) == len(page.is_row_N)


def test_the_same_seed_draws_the_same_page_whatever_its_company(dataset: Dataset) -> None:
    model, ask = engine_model(untrained(dataset)), ask_of(dataset.catalog)
    together = draw_group(model, ask, SEEDS)
    alone = draw_group(model, ask, SEEDS[3:4])
    assert alone[0].rows == together[3].rows
    assert len({page.rows for page in together}) > 1, "other seeds, other pages"


def test_a_group_is_bounded(dataset: Dataset) -> None:
    model, ask = engine_model(untrained(dataset)), ask_of(dataset.catalog)
    with pytest.raises(ValueError, match=str(GROUP_MAX)):
        draw_group(model, ask, list(range(GROUP_MAX + 1)))
