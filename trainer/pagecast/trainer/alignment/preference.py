"""The preference model: how an entity would be liked by this member now, from 0 to 1.

Target attention over the history (docs/papers.md 2.5): the entity asks, the steps of the prompt
answer. It sees neither rows nor places. It takes what entities and steps are from the model that is
aligned, and leaves that as it is; so it is dense where clicks are sparse, and small.

Letters: B pages, T positions of a prompt, I entities of a page, D width, H width of attention, E
entities of the catalog, N entities of all pages.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from pagecast.featurestore.pages.reward import RewardConfig
from pagecast.featurestore.prompt.prompt import Prompt
from pagecast.trainer.alignment.config import RewardModelConfig
from pagecast.trainer.alignment.credit import RewardError
from pagecast.trainer.alignment.entity_facts import FACTS, EntityFacts, FactsIF
from pagecast.trainer.alignment.fitting import fit_model
from pagecast.trainer.alignment.likelihood import Features
from pagecast.trainer.alignment.logged_rewards import RewardedPage
from pagecast.trainer.fitting.forward import look_up
from pagecast.trainer.pages.scored import prompt_window

DEVIATION_MIN = 1e-6
"""Of a fact that is the same everywhere."""


class PreferenceModel(nn.Module):
    """Target attention between an entity and the steps of a prompt, and a judgement of both and of
    what is known of the entity (`entity_facts`)."""

    fact_mean_F: Tensor
    fact_deviation_F: Tensor

    def __init__(self, facts: EntityFacts, config: RewardModelConfig) -> None:
        super().__init__()
        self.facts, self._champion = facts, facts.champion
        champion = facts.champion
        width, hidden = champion.model.config.d_model, config.hidden
        self.query, self.key = nn.Linear(width, hidden), nn.Linear(width, hidden)
        self.value, self.request = nn.Linear(width, hidden), nn.Linear(width, hidden)
        told = 4 * hidden + len(FACTS)
        self.judgement = nn.Sequential(
            nn.Linear(told, hidden), nn.SiLU(), nn.Dropout(config.dropout)
        )
        self.liked = nn.Linear(hidden + len(FACTS), 1)
        self.register_buffer("fact_mean_F", torch.zeros(len(FACTS)))
        self.register_buffer("fact_deviation_F", torch.ones(len(FACTS)))
        with torch.no_grad():
            embedded = Features.of(champion).embedded(champion.model)
        # As large as the layers' other inputs, whatever the pretrained embeddings' scale is.
        self._scale = 1.0 / max(float(embedded.entity_input_ED.std()), 1e-6)
        self._entity_ED = embedded.entity_input_ED

    def forward(
        self,
        prompts: Sequence[Prompt],
        entities: Sequence[Sequence[int]],
        facts: Sequence[FactsIF],
    ) -> Tensor:
        """`logit_N` of the entities of all pages, page by page; `facts` are those of each page."""
        steps_BTD, seen_BT = self._steps(prompts)
        most = max(len(of_page) for of_page in entities)
        index_BI = torch.tensor([[*some, *[0] * (most - len(some))] for some in entities])
        there_BI = torch.arange(most) < torch.tensor([len(some) for some in entities])[:, None]
        query_BIH = self.query(self._entity_ED[index_BI] * self._scale)
        key_BTH, value_BTH = self.key(steps_BTD), self.value(steps_BTD)
        score_BIT = query_BIH @ key_BTH.transpose(1, 2) / math.sqrt(key_BTH.shape[-1])
        weight_BIT = score_BIT.masked_fill(~seen_BT[:, None], -torch.inf).softmax(dim=-1)
        answer_BIH = weight_BIT @ value_BTH
        request_BIH = self.request(steps_BTD[:, :1]).expand_as(query_BIH)
        told = torch.cat([query_BIH, answer_BIH, query_BIH * answer_BIH, request_BIH], dim=-1)
        fact_NF = torch.from_numpy(np.concatenate(facts))
        fact_NF = (fact_NF - self.fact_mean_F) / self.fact_deviation_F
        judged_NH = self.judgement(torch.cat([told[there_BI], fact_NF], dim=-1))
        logit_N: Tensor = self.liked(torch.cat([judged_NH, fact_NF], dim=-1))[:, 0]
        return logit_N

    @torch.no_grad()
    def standardise(self, facts: Sequence[FactsIF]) -> None:
        """Facts of training get mean 0 and deviation 1."""
        fact_NF = torch.from_numpy(np.concatenate(facts))
        self.fact_mean_F.copy_(fact_NF.mean(dim=0))
        self.fact_deviation_F.copy_(fact_NF.std(dim=0).clamp(min=DEVIATION_MIN))

    @torch.no_grad()
    def _steps(self, prompts: Sequence[Prompt]) -> tuple[Tensor, Tensor]:
        """`steps_BTD`, the request's first and then as in the prompt, and which are there."""
        champion = self._champion
        windows = [prompt_window(p, champion.catalog, champion.vocabulary, 0) for p in prompts]
        most = max(len(window.entity_T) for window in windows)
        entity_BT = np.full((len(windows), most), -1, np.int64)
        fields_BTF = np.zeros((len(windows), most, windows[0].fields_TF.shape[1]), np.int64)
        seen_BT = np.zeros((len(windows), most), np.bool_)
        for b, window in enumerate(windows):
            length = len(window.entity_T)
            entity_BT[b, :length] = np.roll(window.entity_T, 1)
            fields_BTF[b, :length] = np.roll(window.fields_TF, 1, axis=0)
            seen_BT[b, :length] = True
        entity_BTD = look_up(self._entity_ED, torch.from_numpy(entity_BT))
        steps_BTD = champion.model.embed_steps(entity_BTD, torch.from_numpy(fields_BTF))
        return steps_BTD * self._scale, torch.from_numpy(seen_BT)

    @torch.no_grad()
    def predict(
        self, prompts: Sequence[Prompt], entities: Sequence[Sequence[int]]
    ) -> list[npt.NDArray[np.float64]]:
        """Of each page its entities', from 0 to 1. Raises RewardError if one is no number."""
        self.eval()
        facts = self.facts.of_pages(prompts, entities)
        liked_N = torch.sigmoid(self(prompts, entities, facts)).double()
        if not torch.isfinite(liked_N).all():
            raise RewardError("the preference model says what is no number: train it again")
        parts = torch.split(liked_N, [len(of_page) for of_page in entities])
        return [part.numpy() for part in parts]


def liking(reward: float, table: RewardConfig) -> float:
    """A reward as what is learned: its share of the best outcome's; nothing below 0."""
    return max(reward, 0.0) / max(table.table.values())


def train_preference(
    facts: EntityFacts,
    pages: Sequence[RewardedPage],
    config: RewardModelConfig,
    table: RewardConfig,
) -> PreferenceModel:
    """Learns how what was seen was liked, by cross-entropy; pages count by their weights.

    Raises RewardError if a loss is no number.
    """
    torch.manual_seed(config.seed)
    model = PreferenceModel(facts, config)
    prompts, entities = [page.prompt for page in pages], [list(page.rewards) for page in pages]
    known = facts.of_pages(prompts, entities)
    model.standardise(known)

    def loss(chosen: npt.NDArray[np.int64]) -> Tensor:
        some = [pages[number] for number in chosen.tolist()]
        logit_N = model(
            [prompts[number] for number in chosen],
            [entities[number] for number in chosen],
            [known[number] for number in chosen],
        )
        target_N = [liking(r, table) for page in some for r in page.rewards.values()]
        return functional.binary_cross_entropy_with_logits(logit_N, torch.tensor(target_N))

    weights = np.array([page.weight for page in pages])
    fit_model(model, weights, loss, config, "preference_learning_rate")
    return model
