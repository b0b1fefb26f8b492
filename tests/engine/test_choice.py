"""The best eligible choice, and how likely it was among the eligible ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pagecast.engine.choice import NEAR_TIE, CandidateHead, Choice, best, choose
from pagecast.engine.errors import EngineError
from pagecast.rules.entity_mask import EntityMask
from pagecast.rules.predicates import Mask

NEG = float("-inf")


def logits(*values: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.array(values, np.float32)


def mask(*values: int) -> Mask:
    return np.array(values, bool)


def test_the_best_eligible_logit_wins() -> None:
    assert choose(logits(1, 9, 3), mask(1, 0, 1)).position == 2


def test_of_equals_the_first_wins() -> None:
    choice = choose(logits(2, 5, 5, 5), mask(1, 0, 1, 1))
    assert choice.position == 2
    assert choice.near_tie


def test_the_log_probability_is_that_among_the_eligible() -> None:
    choice = choose(logits(1, 9, 3, 2), mask(1, 0, 1, 1))
    expected = 3 - np.log(np.exp(1) + np.exp(3) + np.exp(2))
    assert choice.log_probability == pytest.approx(expected, abs=1e-6)


def test_a_forced_choice_is_certain() -> None:
    choice = choose(logits(-80, 9), mask(1, 0))
    assert (choice.position, choice.log_probability, choice.near_tie) == (0, 0.0, False)


@pytest.mark.parametrize(("lead", "near"), [(NEAR_TIE / 2, True), (NEAR_TIE * 2, False)])
def test_a_close_second_is_noted(lead: float, near: bool) -> None:
    assert choose(logits(1, 1 + lead, 5), mask(1, 1, 0)).near_tie is near


def test_what_cannot_be_is_passed_over() -> None:
    assert choose(logits(NEG, -5, NEG), mask(1, 1, 1)).position == 1


@pytest.mark.parametrize("broken", [np.nan, np.inf, NEG])
def test_a_best_logit_that_is_no_number_is_an_error(broken: float) -> None:
    with pytest.raises(EngineError, match="the model's best logit is"):
        choose(logits(broken, broken), mask(1, 1))


def test_one_nan_among_numbers_is_an_error_unless_masked() -> None:
    with pytest.raises(EngineError, match="nan"):
        choose(logits(1, np.nan, 3), mask(1, 1, 1))
    assert choose(logits(1, np.nan, 3), mask(1, 0, 1)).position == 2


@given(data=st.data())
def test_only_the_eligible_are_chosen(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 30))
    finite = st.floats(-1e4, 1e4, width=32)
    mask_V = data.draw(arrays.arrays(np.bool_, size).filter(lambda mask_V: mask_V.any()))
    logits_V = data.draw(arrays.arrays(np.float32, size, elements=finite | st.just(0.0)))
    choice = choose(logits_V, mask_V)
    assert mask_V[choice.position]
    assert choice.position == max(
        np.flatnonzero(mask_V).tolist(), key=lambda position: (logits_V[position], -position)
    )
    assert choice.log_probability <= 0


def test_of_a_row_what_is_closed_is_passed_over() -> None:
    open_C = EntityMask(3)
    open_C.close(1)
    among_C = best(open_C.apply(logits(1, 9, 3)))
    assert among_C == choose(logits(1, 9, 3), mask(1, 0, 1))


def test_the_only_one_is_chosen_for_certain_and_closes_nothing() -> None:
    first_C, logits_C = EntityMask(3), logits(1, 9, 3)
    first_C.only = 0
    assert best(first_C.apply(logits_C)) == Choice(position=0, log_probability=0.0)
    first_C.close(0)
    first_C.only = None
    assert best(first_C.apply(logits_C)).position == 1


def test_the_only_one_s_logit_must_be_a_number_too() -> None:
    first_C = EntityMask(2)
    first_C.only = 0
    with pytest.raises(EngineError, match="nan"):
        best(first_C.apply(logits(np.nan, 1)))


@pytest.mark.parametrize("candidates", [[0], [1, 4, 5], list(range(8)), []])
def test_logits_are_those_of_the_candidates_however_many(candidates: list[int]) -> None:
    rng = np.random.default_rng(0)
    output_ND = rng.standard_normal((8, 5)).astype(np.float32)
    hidden_D = rng.standard_normal(5).astype(np.float32)
    head = CandidateHead(output_ND, np.array(candidates, np.int64))
    expected = [float(output_ND[i] @ hidden_D) for i in candidates]
    np.testing.assert_allclose(head.logits(hidden_D), expected, rtol=1e-5)
