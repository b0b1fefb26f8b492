"""The page reward model: a transformer from the pretrained checkpoint that regresses page reward.

What is known of a page's entities (`entity_facts`) is fitted first, in closed form: a few hundred
pages are too few for a transformer to find it. What that leaves is a sum over a page's tokens
(docs/papers.md 1.5), each read from the decoder's state after it; so what stands before a token
counts for it.

Letters: X hidden positions, P pages of a batch, D width, N pages.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from pagecast.featurestore.prompt.prompt import Prompt
from pagecast.trainer.alignment.config import RewardModelConfig
from pagecast.trainer.alignment.credit import RewardError
from pagecast.trainer.alignment.entity_facts import EntityFacts, FactsIF
from pagecast.trainer.alignment.facts_regression import FactsRegression
from pagecast.trainer.alignment.fitting import fit_model
from pagecast.trainer.alignment.likelihood import Features, page_row
from pagecast.trainer.alignment.logged_rewards import RewardedPage
from pagecast.trainer.alignment.rollouts import Rollout
from pagecast.trainer.batches.batch import CutPage, PackedBatch
from pagecast.trainer.batches.packer import pack
from pagecast.trainer.fitting.forward import packed_decoded
from pagecast.trainer.network.model import PageModel
from pagecast.trainer.pages.constructed import Origin
from pagecast.trainer.pages.scored import prompt_window

PAGES_TOGETHER = 32
"""Pages of one forward pass when pages are judged: bounds its memory, the mask is quadratic."""

DEVIATION_MIN = 1e-6
"""Of rewards that are all alike: then the mean is all there is to learn."""


class PageRewardModel(nn.Module):
    """A copy of the facts' champion with a head for worth; `predict` is in units of the reward."""

    deviation: Tensor
    """Of what facts leave of the rewards."""

    def __init__(self, facts: EntityFacts, config: RewardModelConfig) -> None:
        super().__init__()
        champion, self._facts = facts.champion, facts
        told = champion.model
        self.model = PageModel(told.config, champion.vocabulary, dropout=config.dropout)
        self.model.load_state_dict(told.state_dict())
        self.worth = nn.Linear(told.config.d_model, 1)
        nn.init.zeros_(self.worth.weight)
        nn.init.zeros_(self.worth.bias)
        self.by_facts = FactsRegression()
        self.register_buffer("deviation", torch.ones(()))
        self._champion, self._features = champion, Features.of(champion)

    def forward(self, pages: Sequence["RewardedPage | Rollout"]) -> Tensor:
        """`worth_P`: what facts leave of the reward, standardised."""
        batch = self._packed(pages)
        embedded = self._features.embedded(self.model)
        decoded_XD = packed_decoded(self.model, embedded, batch)
        worth_X = self.worth(decoded_XD)[:, 0]
        number_BL = batch.page_BL + self._first(pages)[:, None]
        at_X = torch.from_numpy(np.flatnonzero(batch.page_BL >= 0))
        of_X = torch.from_numpy(number_BL.flatten())[at_X]
        worth_P: Tensor = worth_X.new_zeros(len(pages)).index_add(0, of_X, worth_X[at_X])
        return worth_P

    def _packed(self, pages: Sequence["RewardedPage | Rollout"]) -> PackedBatch:
        """Consecutive pages with one prompt stand behind it together."""
        champion, keep = self._champion, self.model.config.compress_keep
        windows, laid_out = [], []
        for prompt, together in _by_prompt(pages):
            window = prompt_window(prompt, champion.catalog, champion.vocabulary, keep)
            cut = int(window.cuts_C[0])
            windows.append(window)
            laid_out.append(
                [
                    CutPage(cut=cut, rows=[page_row(r) for r in page.rows], origin=Origin.LOGGED)
                    for page in together
                ]
            )
        return pack(windows, laid_out, ahead_decay=1.0)

    def _first(self, pages: Sequence["RewardedPage | Rollout"]) -> npt.NDArray[np.int64]:
        """`first_B`: the number of the first page behind each prompt."""
        counts = [len(together) for _, together in _by_prompt(pages)]
        return np.cumsum([0, *counts[:-1]])

    @torch.no_grad()
    def predict(self, pages: Sequence["RewardedPage | Rollout"]) -> npt.NDArray[np.float64]:
        """`reward_N` of pages. Raises RewardError if one is no number."""
        self.eval()
        parts = [
            self(pages[begin : begin + PAGES_TOGETHER])
            for begin in range(0, len(pages), PAGES_TOGETHER)
        ]
        reward_N = torch.cat(parts) * self.deviation + self.by_facts(self.facts(pages))
        if not torch.isfinite(reward_N).all():
            raise RewardError("the page reward model says what is no number: train it again")
        rewards: npt.NDArray[np.float64] = reward_N.double().numpy()
        return rewards

    def facts(self, pages: Sequence["RewardedPage | Rollout"]) -> list[FactsIF]:
        """What is known of the entities of pages."""
        return self._facts.of_pages([_prompt(p) for p in pages], [p.entities for p in pages])


def _prompt(page: "RewardedPage | Rollout") -> Prompt:
    return page.ask.prompt if isinstance(page, Rollout) else page.prompt


def _by_prompt(
    pages: Sequence["RewardedPage | Rollout"],
) -> list[tuple[Prompt, list["RewardedPage | Rollout"]]]:
    groups: list[tuple[Prompt, list[RewardedPage | Rollout]]] = []
    for page in pages:
        prompt = _prompt(page)
        if not groups or groups[-1][0] is not prompt:
            groups.append((prompt, []))
        groups[-1][1].append(page)
    return groups


def train_page_reward(
    facts: EntityFacts, pages: Sequence[RewardedPage], config: RewardModelConfig
) -> PageRewardModel:
    """Regresses the rewards of pages, which count by their weights.

    Raises RewardError if a loss is no number.
    """
    torch.manual_seed(config.seed)
    model = PageRewardModel(facts, config)
    reward_N = torch.tensor([page.reward for page in pages])
    weight_N = torch.tensor([page.weight for page in pages])
    known = model.facts(pages)
    model.by_facts.fit(known, reward_N, weight_N)
    left_N = reward_N - model.by_facts(known).float()
    deviation = (left_N.square() * weight_N).sum().div(weight_N.sum()).sqrt()
    model.deviation.copy_(deviation.clamp(min=DEVIATION_MIN))
    target_N = left_N / model.deviation

    def loss(chosen: npt.NDArray[np.int64]) -> Tensor:
        numbers = torch.from_numpy(chosen)
        error_P = model([pages[number] for number in chosen.tolist()]) - target_N[numbers]
        error: Tensor = error_P.square().mean()
        return error

    fit_model(model, weight_N.double().numpy(), loss, config, "learning_rate")
    return model
