"""Entities are spelled token by token, under the rules' mask: nothing else can come out."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pagecast.engine.bundles.manifest import CHECKPOINT_FILE, ModelShape
from pagecast.engine.choice import Choice
from pagecast.engine.errors import BundleError
from pagecast.engine.graph import FloatArray
from pagecast.engine.picking import Greedy, Place, Sampler
from pagecast.engine.semantic.spelling import RowSpeller, Spelling
from pagecast.featurestore.prompt.semantic_ids import (
    LEVELS,
    NO_TOKEN,
    Codebook,
    as_tokens,
    tokens_of_levels,
)
from pagecast.rules.entity_mask import EntityMask
from pagecast.rules.predicates import Indices

CODES, WIDTH = 3, 4

SHAPE = ModelShape(
    d_model=WIDTH, output_dim=WIDTH, layers=1, query_heads=1, kv_heads=1, head_dim=4, genres=0,
    steps_max=1, positions_max=1, codes=CODES,
)  # fmt: skip


def tokens_of(entities: int, seed: int) -> Indices:
    """IDs of a catalog in which many share three codes."""
    rng = np.random.default_rng(seed)
    code_NL = np.zeros((entities, LEVELS + 1), np.int64)
    code_NL[:, :LEVELS] = rng.integers(0, CODES, (entities, LEVELS))
    same_NN = (code_NL[:, None, :LEVELS] == code_NL[None, :, :LEVELS]).all(2)
    code_NL[:, LEVELS] = np.tril(same_NN, -1).sum(1)
    return as_tokens(code_NL, same_NN.sum(1) > 1, CODES)


def checkpoint(seed: int = 0, entities: int = 0) -> dict[str, FloatArray]:
    rng = np.random.default_rng(seed)
    shapes = {
        "input.weight": (tokens_of_levels(CODES), WIDTH),
        "output.weight": (tokens_of_levels(CODES), WIDTH),
        "merge.weight": (WIDTH, LEVELS * WIDTH),
        "centroid_LKS": (LEVELS, CODES, 2 * WIDTH),
    }
    tensors = {
        f"tower.codes.{name}": rng.normal(size=shape).astype(np.float32)
        for name, shape in shapes.items()
    }
    return {**tensors, "tower.codes.code_VL": np.zeros((entities, 4), np.float32)}


def spelling(seed: int = 0) -> Spelling:
    return Spelling.of(CHECKPOINT_FILE, checkpoint(seed), SHAPE, 0)


def spelled(speller: RowSpeller, mask: EntityMask, picker: Greedy | Sampler) -> Choice:
    """One entity; the hidden state is the same for each of its tokens."""
    hidden_D = np.linspace(-1.0, 1.0, WIDTH, dtype=np.float32)
    for _ in range(LEVELS + 1):
        _, choice = speller.choose(hidden_D, mask, Place(0, 1), picker)
        if choice is not None:
            return choice
    raise AssertionError("an ID has at most four tokens")


@settings(max_examples=60, deadline=None)
@given(
    entities=st.integers(2, 30),
    seed=st.integers(0, 1000),
    warm=st.booleans(),
    data=st.data(),
)
def test_what_is_spelled_is_a_candidate_that_is_open(
    entities: int, seed: int, warm: bool, data: st.DataObject
) -> None:
    token_CL, mask = tokens_of(entities, seed), EntityMask(entities)
    speller = RowSpeller(spelling(seed), token_CL)
    picker = Sampler(seed=seed, temperature=1.5) if warm else Greedy()
    for _ in range(data.draw(st.integers(1, entities))):
        choice = spelled(speller, mask, picker)
        assert mask.allows(choice.position)
        assert choice.log_probability <= 1e-9
        mask.close(choice.position)


def test_a_mask_of_one_is_spelled_for_certain() -> None:
    token_CL, mask = tokens_of(20, 3), EntityMask(20)
    mask.only = 13
    choice = spelled(RowSpeller(spelling(), token_CL), mask, Sampler(seed=1, temperature=5.0))
    assert choice.position == 13
    assert choice.log_probability == pytest.approx(0.0)


@dataclass
class Steered:
    """Picks the tokens of one entity, and says what the greedy one would say of them."""

    token_L: Indices

    def pick(self, masked_V: FloatArray, place: Place, tokens_V: Indices | None) -> Choice:
        position = int(self.token_L[place.code - 1]) - (place.code - 1) * CODES
        log_probability = Greedy().log_probability(masked_V, position)
        return Choice(position=position, log_probability=log_probability)

    def log_probability(self, masked_V: FloatArray, position: int) -> float:
        return Greedy().log_probability(masked_V, position)


def test_probabilities_of_all_open_candidates_add_up_to_one() -> None:
    token_CL, mask = tokens_of(25, 5), EntityMask(25)
    for closed in (0, 4, 7):
        mask.close(closed)
    speller, total = RowSpeller(spelling(5), token_CL), 0.0
    for position in np.flatnonzero(mask.mask_C).tolist():
        choice = spelled(speller, mask, Steered(token_CL[position]))  # type: ignore[arg-type]
        assert choice.position == position
        total += float(np.exp(choice.log_probability))
    assert total == pytest.approx(1.0)


def test_tokens_of_entities_follow_each_other() -> None:
    token_NL, told = tokens_of(12, 2), spelling()
    spelled_TD = told.spelled(token_NL[[3, 5]])
    expected = [t for n in (3, 5) for t in token_NL[n].tolist() if t != NO_TOKEN]
    np.testing.assert_array_equal(spelled_TD, told.input_CD[expected])


@pytest.mark.parametrize("name", ["input.weight", "code_VL", "centroid_LKS", "merge.weight"])
def test_a_bundle_without_a_part_of_its_spelling_is_refused(name: str) -> None:
    tensors = checkpoint()
    del tensors[f"tower.codes.{name}"]
    with pytest.raises(BundleError, match=name.replace(".", r"\.")):
        Spelling.of(CHECKPOINT_FILE, tensors, SHAPE, 0)


def test_two_entities_with_one_id_are_refused() -> None:
    with pytest.raises(BundleError, match="one ID"):
        Spelling.of(CHECKPOINT_FILE, checkpoint(entities=2), SHAPE, 2)


def test_a_codebook_tells_its_version() -> None:
    book: Codebook = spelling().codebook
    assert len(book.version) == 16
