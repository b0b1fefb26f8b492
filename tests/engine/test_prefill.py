import numpy as np
import pytest

from pagecast.engine.prefill import prefill_inputs

PLAIN = {"entity_BTD", "fields_BTF"}
OLD = {"old_entity_BGMD", "old_fields_BGMF"}


def inputs(steps: int, keep: int, tail: int = 1) -> dict[str, np.ndarray]:
    positions = 1 + steps + tail
    entity_TD = np.arange(positions, dtype=np.float32)[:, None]
    fields_TF = np.arange(positions)[:, None]
    return prefill_inputs(entity_TD, fields_TF, prefix=1 + steps, keep=keep)


def test_a_model_that_does_not_compress_is_given_the_prompt() -> None:
    given = inputs(300, keep=0)
    assert given.keys() == PLAIN
    assert given["fields_BTF"].ravel().tolist() == list(range(302))


@pytest.mark.parametrize(("steps", "compressed"), [(0, 0), (137, 0), (138, 128), (266, 256)])
def test_old_steps_come_in_groups_and_apart(steps: int, compressed: int) -> None:
    given = inputs(steps, keep=10, tail=3)
    assert given.keys() == PLAIN | OLD
    for old, rest in (("old_entity_BGMD", "entity_BTD"), ("old_fields_BGMF", "fields_BTF")):
        assert given[old].shape == (1, compressed // 4, 4, 1)
        assert given[old].ravel().tolist() == list(range(1, 1 + compressed))
        assert given[rest].ravel().tolist() == [0, *range(1 + compressed, steps + 4)]
