import pytest

from pagecast.trainer.config import TrainConfig
from pagecast.trainer.evaluation.errors import EvaluationError
from pagecast.trainer.evaluation.systems.families import SYSTEMS, families


def test_every_name_is_a_family_named_so() -> None:
    assert [f.name for f in families(SYSTEMS, (0,), TrainConfig())] == list(SYSTEMS)


def test_a_name_or_seed_given_twice_counts_once() -> None:
    (family,) = families(["pagecast", "pagecast"], (3, 1, 3), TrainConfig())
    assert family.seeds == (3, 1)


def test_seeds_are_the_models_alone() -> None:
    (family,) = families(["popularity"], (3, 1), TrainConfig())
    assert family.seeds == (0,)


@pytest.mark.parametrize(
    ("names", "seeds", "message"),
    [
        (["bert"], (0,), "systems: 'bert' is not known; take some of popularity"),
        ([], (0,), "systems: none is named"),
        (["ease"], (), "seeds: give one at least"),
        (["ease"], (-1,), "seeds: .* integers of 0 and more"),
    ],
)
def test_what_cannot_be_evaluated_is_told(
    names: list[str], seeds: tuple[int, ...], message: str
) -> None:
    with pytest.raises(EvaluationError, match=message):
        families(names, seeds, TrainConfig())
