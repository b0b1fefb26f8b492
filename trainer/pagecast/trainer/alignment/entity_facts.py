"""What is known of an entity at a request before anything is learned from rewards.

A few hundred pages are too few to teach that members go on with what they have begun, or what the
model that is aligned thinks of an entity. So reward models are told.

Letters: I entities of a page, F facts.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pagecast.featurestore.prompt.prompt import Prompt
from pagecast.trainer.alignment.policy import Policy
from pagecast.trainer.alignment.relevance_gate import RelevanceGate
from pagecast.trainer.data.request_facts import facts_of_prompt

FACTS = ("lift", "taken_up", "begun", "watched")
"""Logarithm of the gate's lift; logarithm of how often training met the entity; whether the prompt
says that this member has begun it and not finished it, and that they watched any of it."""

LIFT_MIN = 1e-9
"""Below it one unlikely entity is as good as another, and the logarithm stays finite."""

FactsIF = npt.NDArray[np.float32]


class EntityFacts:
    """Facts by the model that is aligned, `champion`, and what its training counted."""

    def __init__(self, champion: Policy) -> None:
        self.champion, self.gate = champion, RelevanceGate(champion)
        vocabulary, entities = champion.vocabulary, champion.catalog.entities
        counts = dict(zip(vocabulary.entities, vocabulary.entity_interactions, strict=True))
        self._entity_ids = [entity.entity_id for entity in entities]
        self._taken_up_E = np.log1p([counts.get(name, 0) for name in self._entity_ids])

    def of_pages(
        self, prompts: Sequence[Prompt], entities: Sequence[Sequence[int]]
    ) -> list[FactsIF]:
        """By page, in the order of its entities. Consecutive pages of one prompt share one forward
        pass."""
        found: list[FactsIF] = []
        catalog = self.champion.catalog
        before: Prompt | None = None
        for prompt, of_page in zip(prompts, entities, strict=True):
            if prompt is not before:
                before, lift_E = prompt, np.log(np.maximum(self.gate.lift_E(prompt), LIFT_MIN))
                asked = facts_of_prompt(prompt, catalog, rows=1, entities_per_row=1)
                begun = frozenset(asked.resume)
            names = [self._entity_ids[entity] for entity in of_page]
            columns = (
                lift_E[list(of_page)],
                self._taken_up_E[list(of_page)],
                [name in begun for name in names],
                [name in asked.watched for name in names],
            )
            found.append(np.stack(columns, axis=1).astype(np.float32))
        return found
