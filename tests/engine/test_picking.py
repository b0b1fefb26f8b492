"""Tokens are drawn as the distribution says, reproducibly, and never against a mask."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pagecast.engine.choice import choose
from pagecast.engine.decode_options import DecodeOptions
from pagecast.engine.errors import EngineError
from pagecast.engine.picking import Greedy, Place, Sampler, gumbel

LOGITS_V = np.log(np.array([0.5, 0.25, 0.125, 0.0625, 0.0625])).astype(np.float32)
PLACE = Place(2, 3)

distributions = hnp.arrays(np.float32, 12, elements=st.floats(-20, 20, width=32))
masks = hnp.arrays(bool, 12).filter(np.any)
samplers = st.builds(
    Sampler,
    seed=st.integers(0, (1 << 64) - 1),
    temperature=st.floats(0.05, 5),
    top_p=st.floats(0.01, 1),
)
places = st.builds(Place, st.integers(0, 39), st.integers(0, 40), st.integers(0, 4))


@given(distributions, masks, samplers, places)
def test_what_is_drawn_is_allowed_and_says_its_probability(
    logits_V: np.ndarray, mask_V: np.ndarray, sampler: Sampler, place: Place
) -> None:
    choice = sampler.pick(np.where(mask_V, logits_V, -np.inf), place, None)
    assert mask_V[choice.position]
    assert choice == sampler.pick(np.where(mask_V, logits_V, -np.inf), place, None)
    assert choice.log_probability == sampler.log_probability(
        np.where(mask_V, logits_V, -np.inf), choice.position
    )
    together = [
        sampler.log_probability(np.where(mask_V, logits_V, -np.inf), v) for v in range(len(mask_V))
    ]
    assert np.exp(together).sum() == pytest.approx(1)
    assert not np.isfinite(np.array(together)[~mask_V]).any()


@given(distributions, masks, places)
def test_greedy_is_the_best_with_its_probability(
    logits_V: np.ndarray, mask_V: np.ndarray, place: Place
) -> None:
    choice = Greedy().pick(np.where(mask_V, logits_V, -np.inf), place, None)
    assert choice == choose(logits_V, mask_V)
    found = Greedy().log_probability(np.where(mask_V, logits_V, -np.inf), choice.position)
    assert found == pytest.approx(choice.log_probability, abs=1e-5)


def drawn(sampler: Sampler, count: int = 20_000) -> np.ndarray:
    """Shares of what many places draw."""
    places = (Place(n // 41, n % 41) for n in range(count))
    picked = Counter(sampler.pick(LOGITS_V, place, None).position for place in places)
    return np.array([picked[v] for v in range(5)]) / count


@pytest.mark.parametrize(
    ("temperature", "top_p", "expected"),
    [
        (1.0, 1.0, [0.5, 0.25, 0.125, 0.0625, 0.0625]),
        (1.0, 0.75, [2 / 3, 1 / 3, 0, 0, 0]),
        (1.0, 0.76, [4 / 7, 2 / 7, 1 / 7, 0, 0]),
        (0.5, 1.0, np.array([64, 16, 4, 1, 1]) / 86),
        (1.0, 0.01, [1, 0, 0, 0, 0]),
    ],
)
def test_shares_are_the_distribution_s(
    temperature: float, top_p: float, expected: list[float]
) -> None:
    sampler = Sampler(seed=7, temperature=temperature, top_p=top_p)
    # Five standard deviations of the largest share's count.
    assert drawn(sampler) == pytest.approx(np.array(expected), abs=0.018)


def test_seeds_and_places_draw_otherwise() -> None:
    numbers = {
        (seed, place): tuple(gumbel(seed, place, 4))
        for seed in (0, 1, (1 << 64) - 1)
        for place in (Place(0, 0), Place(0, 1), Place(1, 0), Place(0, 0, 1))
    }
    assert len(set(numbers.values())) == 12


def test_the_numbers_of_a_place_never_change() -> None:
    """A page is replayed years later, with another numpy."""
    assert gumbel(7, Place(2, 3), 3) == pytest.approx(EXPECTED, abs=1e-12)


EXPECTED = [-0.4993140928982216, -0.2882365532044997, 1.256323659084088]


def test_more_candidates_leave_the_first_ones_their_numbers() -> None:
    assert (gumbel(7, PLACE, 9)[:4] == gumbel(7, PLACE, 4)).all()


def test_near_ties_are_those_of_the_perturbed_logits() -> None:
    noise_V = gumbel(7, PLACE, 5)
    level_V = (-noise_V).astype(np.float32)
    sampler = Sampler(seed=7, temperature=1.0)
    assert sampler.pick(level_V, PLACE, None).near_tie
    level_V[2] += 0.01
    found = sampler.pick(level_V, PLACE, None)
    assert (found.position, found.near_tie) == (2, False)


def test_logits_that_are_no_numbers_are_the_model_s_error() -> None:
    broken_V = np.full(5, np.nan, np.float32)
    with pytest.raises(EngineError, match="nan"):
        Sampler(seed=0, temperature=1.0).pick(broken_V, PLACE, None)


@pytest.mark.parametrize("fields", [{"temperature": -1.0}, {"top_p": 0.0}, {"top_p": 1.1}])
def test_options_that_cannot_be_are_refused(fields: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="temperature must be at least 0"):
        DecodeOptions(**fields)


def test_without_a_temperature_the_best_is_taken() -> None:
    assert isinstance(DecodeOptions(seed=3).picker(), Greedy)
    assert DecodeOptions(seed=3, temperature=0.5, top_p=0.9).picker() == Sampler(
        seed=3, temperature=0.5, top_p=0.9
    )
