"""The gate's lifts: kept for the prompts that were asked of last, and the same as if they were
not."""

import numpy as np
from factories import START_MS
from trainer.alignment.factories_alignment import steps
from trainer.alignment.factories_rewarded import RewardedWorld

from pagecast.featurestore.history.history import Profile
from pagecast.featurestore.prompt.prompt import Prompt, RequestHalf
from pagecast.trainer.alignment.relevance_gate import RelevanceGate


def prompt_of(*watched: str) -> Prompt:
    request = RequestHalf(at_ms=START_MS + 86_400_000, device="tv", surface="home")
    return Prompt(profile=Profile(), steps=steps(watched), request=request)


def test_a_prompt_that_was_asked_of_last_needs_no_pass(rewarded_world: RewardedWorld) -> None:
    champion = rewarded_world[0]
    room = 2 * 8 * len(champion.catalog.entities)
    gate = RelevanceGate(champion, kept_bytes_max=room)
    one, two, three = (prompt_of(name) for name in ("e1", "e2", "e3"))
    first, second = gate.lift_E(one), gate.lift_E(two)
    assert gate.lift_E(one) is first
    gate.lift_E(three)
    assert gate.lift_E(one) is first, "two was asked of before it"
    assert gate.lift_E(two) is not second
    np.testing.assert_array_equal(gate.lift_E(two), second)


def test_kept_lifts_are_those_of_a_gate_of_its_own(rewarded_world: RewardedWorld) -> None:
    gate = RelevanceGate(rewarded_world[0])
    for prompt in (one := prompt_of("e1"), prompt_of("e2", "e3"), one):
        alone = RelevanceGate(rewarded_world[0]).lift_E(prompt)
        np.testing.assert_array_equal(gate.lift_E(prompt), alone)
