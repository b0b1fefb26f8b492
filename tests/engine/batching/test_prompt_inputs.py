import numpy as np
import pytest

from pagecast.engine.batching.prompt_inputs import positions_fed, prompt_inputs

PLAIN = {"entity_BTD", "fields_BTF"}
OLD = {"old_entity_BGMD", "old_fields_BGMF"}


def inputs(positions: int, compressed: int, *, compresses: bool = True) -> dict[str, np.ndarray]:
    entity_TD = np.arange(positions, dtype=np.float32)[:, None]
    fields_TF = np.arange(positions)[:, None]
    return prompt_inputs(entity_TD, fields_TF, compresses=compresses, compressed=compressed)


def test_a_model_that_does_not_compress_is_given_the_prompt() -> None:
    given = inputs(302, 0, compresses=False)
    assert given.keys() == PLAIN
    assert given["fields_BTF"].ravel().tolist() == list(range(302))


@pytest.mark.parametrize(("positions", "compressed"), [(1, 0), (141, 0), (142, 128), (270, 256)])
def test_old_steps_come_in_groups_and_apart(positions: int, compressed: int) -> None:
    given = inputs(positions, compressed)
    assert given.keys() == PLAIN | OLD
    for old, rest in (("old_entity_BGMD", "entity_BTD"), ("old_fields_BGMF", "fields_BTF")):
        assert given[old].shape == (1, compressed // 4, 4, 1)
        assert given[old].ravel().tolist() == list(range(1, 1 + compressed))
        assert given[rest].ravel().tolist() == [0, *range(1 + compressed, positions)]


@pytest.mark.parametrize(
    ("encoded", "fed"),
    [(0, 0), (1, 1), (2, 1), (4, 1), (5, 2), (8, 2), (9, 3), (10, 4), (30, 24)],
)
def test_a_position_is_fed_once_all_it_is_made_of_is_there(encoded: int, fed: int) -> None:
    """Of a prompt whose first 8 steps are two groups."""
    assert positions_fed(encoded, compressed=8) == fed
    assert positions_fed(encoded, compressed=0) == encoded
