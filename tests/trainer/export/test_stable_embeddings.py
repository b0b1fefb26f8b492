"""Published embeddings have the model's products, in axes that chance does not choose."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pagecast.engine.vectors.stabilisation import Stabilisation
from pagecast.trainer.export.stable_embeddings import canonical, rotated, rotation

Floats = npt.NDArray[np.float64]

SEEDS = st.integers(0, 2**32 - 1)
COUNTS = st.integers(0, 40)
WIDTHS = st.integers(1, 12)

PATIENT = settings(max_examples=50, deadline=None)


def table(rng: np.random.Generator, rows: int, width: int) -> Floats:
    """Directions differ in how much there is of them, as they do in a model."""
    return rng.normal(size=(rows, width)) * np.geomspace(1.0, 0.1, width) + rng.normal(size=width)


def orthogonal(rng: np.random.Generator, width: int) -> Floats:
    return np.asarray(np.linalg.qr(rng.normal(size=(width, width)))[0])


def products(stabilisation: Stabilisation, entity_EO: Floats, user_UO: Floats) -> Floats:
    return (entity_EO @ stabilisation.entity_OP) @ (user_UO @ stabilisation.user_OP).T


@given(seed=SEEDS, entities=COUNTS, users=COUNTS, width=WIDTHS)
@PATIENT
def test_every_product_is_kept_whatever_the_map_was_made_of(
    seed: int, entities: int, users: int, width: int
) -> None:
    """Also of embeddings it was not made of, and where there are fewer than they are wide."""
    rng = np.random.default_rng(seed)
    own = canonical(table(rng, entities, width), table(rng, users, width))
    turned = rotated(own, orthogonal(rng, width))
    others_EO, others_UO = table(rng, 9, width), table(rng, 7, width)
    scores = others_EO @ others_UO.T
    for stabilisation in (own, turned):
        found = products(stabilisation, others_EO, others_UO)
        scale = np.linalg.norm(others_EO, axis=1)[:, None] * np.linalg.norm(others_UO, axis=1)
        assert (np.abs(found - scores) / scale).max() < 1e-8


@given(seed=SEEDS, rows=st.integers(1, 40), width=WIDTHS)
@PATIENT
def test_the_rotation_is_orthogonal(seed: int, rows: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    found_PP = rotation(table(rng, rows, width), table(rng, rows, width))
    np.testing.assert_allclose(found_PP @ found_PP.T, np.eye(width), atol=1e-10)


@given(seed=SEEDS, width=WIDTHS)
@PATIENT
def test_a_rotation_is_found_exactly(seed: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    before_CP, turn_PP = rng.normal(size=(4 * width, width)), orthogonal(rng, width)
    np.testing.assert_allclose(rotation(before_CP @ turn_PP, before_CP), turn_PP.T, atol=1e-8)


@given(seed=SEEDS, width=WIDTHS, noise=st.floats(0.0, 1.0))
@PATIENT
def test_no_rotation_comes_nearer_to_what_also_changed(seed: int, width: int, noise: float) -> None:
    rng = np.random.default_rng(seed)
    before_CP, turn_PP = rng.normal(size=(20 * width, width)), orthogonal(rng, width)
    change_CP = noise * rng.normal(size=before_CP.shape)
    now_CP = (before_CP + change_CP) @ turn_PP
    off = np.linalg.norm(now_CP @ rotation(now_CP, before_CP) - before_CP)
    assert off <= np.linalg.norm(change_CP) + 1e-8


@given(seed=SEEDS, width=st.integers(2, 8))
@PATIENT
def test_another_basis_of_the_same_scores_is_published_the_same(seed: int, width: int) -> None:
    """T Q and W Q^-T have the scores of T and W, whatever invertible Q a training ends in."""
    rng = np.random.default_rng(seed)
    entity_EO, user_UO = table(rng, 60, width), table(rng, 50, width)
    basis_OO = orthogonal(rng, width) * np.geomspace(3.0, 0.3, width) @ orthogonal(rng, width)
    before = canonical(entity_EO, user_UO, ridge=0.0)
    before_EP = entity_EO @ before.entity_OP
    now_EO, now_UO = entity_EO @ basis_OO, user_UO @ np.linalg.inv(basis_OO).T
    own = canonical(now_EO, now_UO, ridge=0.0)
    now = rotated(own, rotation(now_EO @ own.entity_OP, before_EP))
    np.testing.assert_allclose(now_EO @ now.entity_OP, before_EP, atol=1e-6)
    np.testing.assert_allclose(now_UO @ now.user_OP, user_UO @ before.user_OP, atol=1e-6)


@given(seed=SEEDS, width=st.integers(1, 6))
@PATIENT
def test_the_low_rank_form_is_the_decomposition_of_all_scores(seed: int, width: int) -> None:
    """T M = U S^(1/2) of the scores themselves, up to signs and to how many rows there are."""
    rng = np.random.default_rng(seed)
    entity_EO, user_UO = table(rng, 40, width), table(rng, 30, width)
    own = canonical(entity_EO, user_UO, ridge=0.0)
    left_EP, scale_P, right_PU = np.linalg.svd(entity_EO @ user_UO.T, full_matrices=False)
    left_EP, scale_P, right_UP = left_EP[:, :width], scale_P[:width], right_PU[:width].T
    balance = (len(entity_EO) / len(user_UO)) ** 0.25
    for found, expected in (
        (entity_EO @ own.entity_OP, left_EP * np.sqrt(scale_P) * balance),
        (user_UO @ own.user_OP, right_UP * np.sqrt(scale_P) / balance),
    ):
        sign_P = np.sign((found * expected).sum(0))
        np.testing.assert_allclose(found, expected * sign_P, atol=1e-6 * np.abs(expected).max())


def test_axes_do_not_depend_on_how_many_users_were_asked() -> None:
    rng = np.random.default_rng(0)
    entity_EO, user_UO = table(rng, 30, 5), table(rng, 20, 5)
    once, twice = canonical(entity_EO, user_UO), canonical(entity_EO, np.tile(user_UO, (2, 1)))
    np.testing.assert_allclose(once.entity_OP, twice.entity_OP, rtol=1e-9)


@pytest.mark.parametrize("rows", [0, 3])
def test_embeddings_that_say_nothing_do_not_break_it(rows: int) -> None:
    nothing = canonical(np.zeros((rows, 4)), np.zeros((rows, 4)))
    np.testing.assert_allclose(nothing.entity_OP @ nothing.user_OP.T, np.eye(4), atol=1e-12)
