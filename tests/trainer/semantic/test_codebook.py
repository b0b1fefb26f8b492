"""Codebooks: every entity has an ID of its own, codes are used evenly, none is dead."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pagecast.featurestore.prompt import semantic_ids
from pagecast.featurestore.prompt.semantic_ids import (
    DIGITS_MAX,
    LEVELS,
    NO_TOKEN,
    Codebook,
    CodebookError,
    leaves,
    level_tokens,
    place,
    tokens_of_levels,
)
from pagecast.trainer.semantic.kmeans import balanced_kmeans, size_max
from pagecast.trainer.semantic.residual import learn_codebook

Floats = npt.NDArray[np.float32]


def named(book: Codebook, id_N: npt.NDArray[np.int64], fused_XS: Floats) -> npt.NDArray[np.int64]:
    return book.assign(id_N, book.nearest(fused_XS), fused_XS)


@st.composite
def points(draw: st.DrawFn, most: int = 80) -> Floats:
    """Points among which some may be the same, up to all of them."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    different = draw(st.integers(1, most))
    count = draw(st.integers(different, most))
    drawn = rng.normal(size=(different, draw(st.integers(1, 5)))).astype(np.float32)
    return drawn[rng.permutation(np.arange(count) % different)]


@settings(max_examples=25, deadline=None)
@given(point_NS=points(), codes=st.integers(2, 12))
def test_codes_are_balanced_and_none_is_dead_unless_points_are_fewer(
    point_NS: Floats, codes: int
) -> None:
    centroid_KS, code_N = balanced_kmeans(point_NS, codes)
    count_K = np.bincount(code_N, minlength=codes)
    assert centroid_KS.shape == (codes, point_NS.shape[1])
    assert count_K.max() <= size_max(len(point_NS), codes)
    assert (count_K > 0).sum() == min(codes, len(point_NS))


@settings(max_examples=15, deadline=None)
@given(fused_VS=points(), codes=st.integers(3, 8))
def test_every_entity_has_an_id_that_leads_back_to_it(fused_VS: Floats, codes: int) -> None:
    book = learn_codebook(fused_VS, codes)
    token_NL = named(book, np.arange(1, len(fused_VS) + 1), fused_VS[:0])
    decoded = {tuple(token_L): entity for entity, token_L in enumerate(token_NL.tolist())}
    assert [decoded[tuple(token_L)] for token_L in token_NL.tolist()] == list(range(len(fused_VS)))
    first_K = np.bincount(book.code_VL[:, 0], minlength=codes)
    assert first_K.max() <= size_max(len(fused_VS), codes)
    for level in range(LEVELS):
        assert len(np.unique(book.code_VL[:, level])) == min(codes, len(fused_VS))


@settings(max_examples=15, deadline=None)
@given(fused_VS=points(), new=st.integers(0, 40), codes=st.integers(3, 6))
def test_new_entities_get_an_id_of_their_own_and_move_nobodys(
    fused_VS: Floats, new: int, codes: int
) -> None:
    book = learn_codebook(fused_VS, codes)
    fused_XS = np.repeat(fused_VS[:1], new, axis=0)
    known_N = np.arange(1, len(fused_VS) + 1)
    id_N = np.concatenate([known_N, np.zeros(new, np.int64)])
    token_NL = named(book, id_N, fused_XS)
    assert len(np.unique(token_NL, axis=0)) == len(id_N)
    was_NL = named(book, known_N, fused_XS[:0])
    assert (token_NL[: len(known_N), :LEVELS] == was_NL[:, :LEVELS]).all()
    for level in range(LEVELS):
        of_level = level_tokens(level, codes)
        assert (token_NL[:, level] >= of_level.start).all()
        assert (token_NL[:, level] < of_level.stop).all()
    assert token_NL.max() < tokens_of_levels(codes)


@settings(max_examples=15, deadline=None)
@given(fused_VS=points(), codes=st.integers(3, 6))
def test_a_digit_is_a_token_only_where_several_share_three_codes(
    fused_VS: Floats, codes: int
) -> None:
    book = learn_codebook(fused_VS, codes)
    token_NL = named(book, np.arange(1, len(fused_VS) + 1), fused_VS[:0])
    _, of_N, count = np.unique(
        token_NL[:, :LEVELS], axis=0, return_inverse=True, return_counts=True
    )
    assert ((token_NL[:, LEVELS] != NO_TOKEN) == (count[of_N.ravel()] > 1)).all()


def test_a_new_entity_gets_the_codes_of_what_it_is_like() -> None:
    rng = np.random.default_rng(1)
    fused_VS = rng.normal(size=(40, 4)).astype(np.float32)
    book = learn_codebook(fused_VS, 4)
    left_S = fused_VS[7] * 1.001
    expected = []
    for centroid_KS in book.centroid_LKS:
        code = int(((centroid_KS - left_S) ** 2).sum(1).argmin())
        expected.append(code)
        left_S = left_S - centroid_KS[code]
    token_L = named(book, np.array([0]), fused_VS[7:8] * np.float32(1.001))[0]
    assert [token - 4 * level for level, token in enumerate(token_L[:LEVELS])] == expected


def test_more_than_a_leaf_holds_move_to_their_neighbours() -> None:
    alike = np.zeros((3 * DIGITS_MAX, 2), np.float32)
    book = learn_codebook(alike[:1], 3)
    token_NL = named(book, np.zeros(len(alike), np.int64), alike)
    leaves, count = np.unique(token_NL[:, :LEVELS], axis=0, return_counts=True)
    assert len(leaves) > 3
    assert count.max() <= DIGITS_MAX


def test_many_that_look_alike_share_one_way_to_their_leaves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A server names them under a lock: each asking all full leaves anew would be quadratic."""
    rng = np.random.default_rng(5)
    book = learn_codebook(rng.normal(size=(40, 4)).astype(np.float32), 8)
    two_2S = rng.normal(size=(2, 4)).astype(np.float32)
    fused_XS = two_2S[rng.integers(0, 2, 600)]
    id_N = np.zeros(len(fused_XS), np.int64)
    met = [0]

    def counted(*arguments: Any) -> Iterator[semantic_ids.Leaf]:
        for leaf in leaves(*arguments):
            met[0] += 1
            yield leaf

    monkeypatch.setattr(semantic_ids, "leaves", counted)
    token_NL = named(book, id_N, fused_XS)
    assert met[0] <= 2 * (len(fused_XS) // DIGITS_MAX + 40 + 1)
    taken = Counter(tuple(code_L[:LEVELS]) for code_L in book.code_VL.tolist())
    expected = np.zeros((len(fused_XS), LEVELS), np.int64)
    outside = []
    for x, leaf in enumerate(map(tuple, book.nearest(fused_XS).tolist())):
        if taken[leaf] < DIGITS_MAX:
            expected[x] = place(taken, iter([leaf]))[:LEVELS]
        else:
            outside.append(x)
    for x in outside:
        expected[x] = place(taken, leaves(book.centroid_LKS, fused_XS[x]))[:LEVELS]
    assert (token_NL[:, :LEVELS] - 8 * np.arange(LEVELS) == expected).all()


def test_the_version_is_of_the_numbers() -> None:
    fused_VS = np.random.default_rng(3).normal(size=(20, 3)).astype(np.float32)
    book, again = learn_codebook(fused_VS, 4), learn_codebook(fused_VS.copy(), 4)
    other = learn_codebook(fused_VS[::-1].copy(), 4)
    assert book.version == again.version != other.version


def test_a_codebook_that_has_no_room_says_what_to_raise() -> None:
    with pytest.raises(CodebookError, match=r"model\.codes"):
        learn_codebook(np.zeros((3 * DIGITS_MAX, 2), np.float32), 1)
    with pytest.raises(CodebookError, match="more events"):
        learn_codebook(np.zeros((0, 2), np.float32), 4)


def test_two_entities_with_one_id_are_refused() -> None:
    book = learn_codebook(np.eye(4, dtype=np.float32), 2)
    with pytest.raises(CodebookError, match="one ID"):
        Codebook(centroid_LKS=book.centroid_LKS, code_VL=book.code_VL[[0, 0]])
