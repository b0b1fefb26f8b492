"""The trie is searched: scores equal those of spelling each entity alone, and are shares."""

import numpy as np
import pytest
import torch
from trainer.semantic.test_spelling import spelling_model

from pagecast.featurestore.prompt.semantic_ids import NO_TOKEN
from pagecast.trainer.data.dataset import Dataset
from pagecast.trainer.network.model import PageModel
from pagecast.trainer.semantic.search import Found, TrieSearch
from pagecast.trainer.semantic.trie import Trie


@pytest.fixture(scope="module")
def spelling(dataset: Dataset) -> tuple[PageModel, Trie, torch.Tensor]:
    """A model, its trie, and a prompt's tokens."""
    model, embedded = spelling_model(dataset)
    assert embedded.token_EL is not None
    torch.nn.init.normal_(model.tower.codes.input.weight, std=1.0)
    torch.nn.init.normal_(model.tower.codes.output.weight, std=1.0)
    prompt_TD = torch.randn(7, model.config.d_model, generator=torch.Generator().manual_seed(1))
    return model, Trie(embedded.token_EL, model.config.codes), prompt_TD


@torch.no_grad()
def alone(
    model: PageModel, trie: Trie, prompt_TD: torch.Tensor, entity: int
) -> tuple[float, float]:
    """Log-probability of one ID, under the trie and without: the whole is run for each token."""
    tokens = [token for token in trie.token_NL[entity].tolist() if token != NO_TOKEN]
    masked, free = 0.0, 0.0
    for level, token in enumerate(tokens):
        before_SD = model.tower.codes.input.weight[torch.tensor(tokens[:level], dtype=torch.long)]
        hidden_1SD = model.decoder.prefill(torch.cat([prompt_TD, before_SD])[None])[0]
        of_level = trie.tokens_of(level)
        logits_K = model.head(hidden_1SD[0, -1]) @ model.tower.codes.output.weight[of_level].T
        same_N = (trie.token_NL[:, :level] == np.array(tokens[:level])).all(1)
        exists = np.unique(trie.token_NL[same_N, level])
        exists = torch.from_numpy(exists[exists != NO_TOKEN] - of_level.start)
        masked += float(logits_K[token - of_level.start] - logits_K[exists].logsumexp(0))
        free += float(torch.log_softmax(logits_K, 0)[token - of_level.start])
    return masked, free


def test_scores_are_those_of_spelling_each_entity_alone(
    spelling: tuple[PageModel, Trie, torch.Tensor],
) -> None:
    model, trie, prompt_TD = spelling
    found = TrieSearch(model, trie).find(prompt_TD)
    both = [alone(model, trie, prompt_TD, entity) for entity in range(len(trie.token_NL))]
    np.testing.assert_allclose(found.score_N.numpy(), [one for one, _ in both], atol=1e-4)
    assert found.named == pytest.approx(sum(np.exp(free) for _, free in both), abs=1e-4)
    assert 0.0 < found.named < 1.0
    assert float(found.score_N.exp().sum()) == pytest.approx(1.0, abs=1e-4)


def test_enough_beams_are_exact_and_few_keep_their_scores(
    spelling: tuple[PageModel, Trie, torch.Tensor],
) -> None:
    model, trie, prompt_TD = spelling
    exact = TrieSearch(model, trie).find(prompt_TD).score_N
    enough: Found = TrieSearch(model, trie, beams=1000).find(prompt_TD)
    torch.testing.assert_close(enough.score_N, exact)
    few = TrieSearch(model, trie, beams=3).find(prompt_TD).score_N
    reached = torch.isfinite(few)
    assert 3 <= int(reached.sum()) < len(exact)
    torch.testing.assert_close(few[reached], exact[reached], atol=1e-5, rtol=1e-4)
