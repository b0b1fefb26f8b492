"""How relevant entities are to a request, whatever is learned from rewards.

Letters: E entities of the catalog.
"""

from collections.abc import Sequence

import torch

from pagecast.featurestore.prompt.prompt import Prompt
from pagecast.trainer.alignment.credit import Floats
from pagecast.trainer.alignment.likelihood import Features, relevance
from pagecast.trainer.alignment.policy import Policy
from pagecast.trainer.alignment.rollouts import Rollout

KEPT_BYTES_MAX = 128 * 2**20
"""Bytes of lifts that are kept, a number per entity: 9,800 prompts of a catalog of 1,700. With a
large catalog, those of all logged pages would fill the memory."""


class RelevanceGate:
    """By the model that is aligned: so it knows entities that nobody was shown in the preference
    model's data. The model must stay as it is."""

    def __init__(self, champion: Policy, kept_bytes_max: int = KEPT_BYTES_MAX) -> None:
        self._champion = champion
        with torch.no_grad():
            self._embedded = Features.of(champion).embedded(champion.model)
        self._kept: dict[int, tuple[Prompt, Floats]] = {}
        self._kept_max = max(1, kept_bytes_max // (8 * len(champion.catalog.entities)))

    def lift_E(self, prompt: Prompt) -> Floats:
        """One forward pass, unless the prompt is among the last ones: reward models, the gate and
        the judge ask about the same ones, round after round."""
        # By identity: prompts have no hash. While one is kept, no other can have its id.
        known = self._kept.pop(id(prompt), None)
        kept = known or (prompt, relevance(self._champion, self._embedded, prompt))
        self._kept[id(prompt)] = kept
        if len(self._kept) > self._kept_max:
            del self._kept[next(iter(self._kept))]
        return kept[1]

    def of_pages(self, pages: Sequence[Rollout]) -> Sequence[Floats]:
        return [self.lift_E(page.ask.prompt)[page.entities] for page in pages]
