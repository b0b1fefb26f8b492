"""Which of the entities looked at is chosen, and how much it is wanted."""

import dataclasses
import math

from factories import START_MS
from hypothesis import given
from hypothesis import strategies as st
from simulator.factories_simulator import world

from pagecast.simulator.chance import Chance
from pagecast.simulator.choice import choose, utility
from pagecast.simulator.intent import Intent
from pagecast.simulator.member import Member, Unfinished, new_member
from pagecast.simulator.world import DAY_MS

WORLD = world()
BROWSING = Intent(device="tv", resume=False, genre="", minutes=90.0)

utilities = st.dictionaries(
    st.sampled_from([f"m{n}" for n in range(8)]), st.floats(-5, 5), max_size=8
)


def member() -> Member:
    return new_member(WORLD, Chance(1), 0, "u")


def wanted(who: Member, entity_id: str = "m0", intent: Intent = BROWSING) -> float:
    return utility(WORLD, who, intent, entity_id, START_MS)


@given(utilities, st.integers(), st.floats(0, 5))
def test_what_is_wanted_more_is_never_chosen_less(
    of: dict[str, float], seed: int, more: float
) -> None:
    chosen = choose(of, 0.0, Chance(seed))
    assert chosen is None or chosen in of
    if chosen is not None:
        assert choose({**of, chosen: of[chosen] + more}, 0.0, Chance(seed)) == chosen
        assert choose({chosen: of[chosen]}, 0.0, Chance(seed)) == chosen, "fewer rivals"
    else:
        assert choose(of, more, Chance(seed)) is None


def test_choices_have_the_shares_of_a_logit() -> None:
    of, count = {"m0": 1.0, "m1": 0.0}, 4_000
    chosen = [choose(of, 0.5, Chance(seed)) for seed in range(count)]
    whole = math.exp(1.0) + math.exp(0.0) + math.exp(0.5)
    for name, value in (("m0", 1.0), ("m1", 0.0), (None, 0.5)):
        assert abs(chosen.count(name) / count - math.exp(value) / whole) < 0.03


def test_a_film_of_the_wanted_genre_is_wanted_more() -> None:
    comedy = dataclasses.replace(BROWSING, genre="Comedy")
    assert wanted(member(), "m0", comedy) > wanted(member(), "m0")
    assert wanted(member(), "m1", comedy) == wanted(member(), "m1")


@given(st.integers(0, 5), st.floats(0, 20))
def test_satiation_grows_with_plays_of_the_genre_and_fades(plays: int, days: float) -> None:
    sated, half = member(), WORLD.config.appetite.satiation_days
    for _ in range(plays):
        sated.eat(("Comedy",), START_MS, half)
    assert wanted(sated) <= wanted(member())
    assert sated.satiation("Comedy", START_MS, half) == plays
    later_ms = START_MS + round(days * DAY_MS)
    assert sated.satiation("Comedy", later_ms, half) <= plays
    assert sated.satiation("Drama", START_MS, half) == 0.0


def test_what_is_unfinished_pulls_and_what_is_completed_does_not() -> None:
    begun, seen, tired = member(), member(), member()
    begun.unfinished["m0"] = Unfinished(minutes=20.0, at_ms=START_MS)
    seen.completed.add("m0")
    tired.looked_at["m0"] = 3
    to_finish = dataclasses.replace(BROWSING, resume=True)
    assert wanted(begun, "m0", to_finish) > wanted(begun) > wanted(member())
    assert wanted(seen) < wanted(tired) < wanted(member())
    begun.unfinished["m0"] = Unfinished(minutes=20.0, at_ms=START_MS - 30 * DAY_MS)
    assert wanted(begun) - wanted(member()) < 0.1, "the pull is gone after a month"


def test_an_entity_nobody_has_told_of_can_be_chosen() -> None:
    assert math.isfinite(wanted(member(), "somebody-else's"))


def test_a_premiere_is_new_for_a_while() -> None:
    fresh = world()
    truth = fresh.launch("new", ("Comedy",), START_MS)
    novelties = [fresh.novelty(truth, START_MS + day * DAY_MS) for day in range(10)]
    assert novelties == sorted(novelties, reverse=True)
    assert novelties[0] == fresh.config.launches.novelty
    assert fresh.novelty(fresh.by_id["m0"], START_MS) == 0.0
