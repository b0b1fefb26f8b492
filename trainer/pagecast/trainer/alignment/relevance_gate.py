"""How relevant entities are to a request, whatever is learned from rewards.

Letters: E entities of the catalog.
"""

from collections.abc import Sequence

import torch

from pagecast.featurestore.prompt import Prompt
from pagecast.trainer.alignment.credit import Floats
from pagecast.trainer.alignment.likelihood import Features, relevance
from pagecast.trainer.alignment.policy import Policy
from pagecast.trainer.alignment.rollouts import Rollout


class RelevanceGate:
    """By the model that is aligned: so it knows what the preference model has never seen anybody
    see."""

    def __init__(self, champion: Policy) -> None:
        self._champion = champion
        with torch.no_grad():
            self._embedded = Features.of(champion).embedded(champion.model)

    def lift_E(self, prompt: Prompt) -> Floats:
        return relevance(self._champion, self._embedded, prompt)

    def of_pages(self, pages: Sequence[Rollout]) -> Sequence[Floats]:
        """Pages of one ask have one forward pass."""
        prompts = {id(page.ask.prompt): page.ask.prompt for page in pages}
        lifts = {key: self.lift_E(prompt) for key, prompt in prompts.items()}
        return [lifts[id(page.ask.prompt)][page.entities] for page in pages]
