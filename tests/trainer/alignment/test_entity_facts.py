"""What reward models are told about an entity, beside what they learn."""

import numpy as np
import pytest
from factories import START_MS
from trainer.alignment.factories_alignment import steps
from trainer.alignment.factories_rewarded import RewardedWorld

from pagecast.featurestore.history.history import Action, Profile, Step
from pagecast.featurestore.prompt.prompt import Prompt, RequestHalf
from pagecast.trainer.alignment.entity_facts import FACTS, EntityFacts
from pagecast.trainer.alignment.relevance_gate import RelevanceGate


def prompt_of(*of_steps: Step) -> Prompt:
    request = RequestHalf(at_ms=START_MS + 86_400_000, device="tv", surface="home")
    return Prompt(steps=of_steps, profile=Profile(), request=request)


def finished(entity: str) -> Step:
    return Step(
        occurred_at_ms=START_MS + 3_600_000,
        entity_id=entity,
        action=Action.COMPLETE,
        device="tv",
        surface="home",
    )


@pytest.fixture
def facts(rewarded_world: RewardedWorld) -> EntityFacts:
    return EntityFacts(rewarded_world[0])


def test_what_is_begun_and_not_finished_is_told_from_what_is_watched(
    facts: EntityFacts, rewarded_world: RewardedWorld
) -> None:
    index = rewarded_world[0].catalog.entity_index
    (begun, ended, new) = (index[name] for name in ("e1", "e2", "e3"))
    prompt = prompt_of(*steps(["e1", "e2"]), finished("e2"))
    (fact_IF,) = facts.of_pages([prompt], [[begun, ended, new]])
    told = {name: fact_IF[:, column].tolist() for column, name in enumerate(FACTS)}
    assert told["begun"] == [1.0, 0.0, 0.0]
    assert told["watched"] == [1.0, 1.0, 0.0]


def test_the_lift_is_the_gates_and_counts_are_of_training(
    facts: EntityFacts, rewarded_world: RewardedWorld
) -> None:
    policy = rewarded_world[0]
    every = list(range(len(policy.catalog.entities)))
    prompt = prompt_of(*steps(["e1"]))
    (fact_IF,) = facts.of_pages([prompt], [every])
    lift_E = RelevanceGate(policy).lift_E(prompt)
    np.testing.assert_allclose(fact_IF[:, FACTS.index("lift")], np.log(lift_E), rtol=1e-5)
    counts = dict(
        zip(policy.vocabulary.entities, policy.vocabulary.entity_interactions, strict=True)
    )
    expected = [np.log1p(counts.get(entity.entity_id, 0)) for entity in policy.catalog.entities]
    np.testing.assert_allclose(fact_IF[:, FACTS.index("taken_up")], expected, rtol=1e-6)


def test_pages_of_several_prompts_have_each_its_own(facts: EntityFacts) -> None:
    one, other = prompt_of(*steps(["e1"])), prompt_of(*steps(["e2", "e3"]))
    together = facts.of_pages([one, one, other], [[0, 1], [2], [0, 1]])
    apart = [facts.of_pages([p], [e])[0] for p, e in ((one, [0, 1]), (one, [2]), (other, [0, 1]))]
    for whole, alone in zip(together, apart, strict=True):
        np.testing.assert_array_equal(whole, alone)
