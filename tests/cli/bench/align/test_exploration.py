"""Drawn pages are a share of all, and the same ones for every contender that draws as many."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pagecast.cli.bench.align.exploration import NEVER, Exploration


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**63 - 1))
def test_who_never_explores_draws_nothing_and_who_always_does_draws_everything(seed: int) -> None:
    assert NEVER.sampling(seed) is None
    drawn = Exploration(share=1.0, temperature=0.5).sampling(seed)
    assert drawn is not None
    assert (drawn.temperature, drawn.top_p) == (0.5, 1.0)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**63 - 1), less=st.floats(0, 1), more=st.floats(0, 1))
def test_what_a_small_share_draws_a_greater_one_draws_too(
    seed: int, less: float, more: float
) -> None:
    less, more = sorted((less, more))
    if Exploration(share=less).sampling(seed) is not None:
        assert Exploration(share=more).sampling(seed) is not None


def test_about_the_share_is_drawn() -> None:
    drawn = sum(Exploration(share=0.25).sampling(seed) is not None for seed in range(2000))
    assert 400 <= drawn <= 600


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"share": 1.5}, "explore.share must be between 0 and 1, is 1.5"),
        ({"share": 0.5, "temperature": 0.0}, "explore.temperature must be above 0, is 0.0"),
    ],
)
def test_what_cannot_be_is_refused_by_name(values: dict[str, float], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Exploration(**values)
