import pytest

from pagecast.cli.evaluation.asked import Asked
from pagecast.trainer.evaluation.errors import EvaluationError
from pagecast.trainer.evaluation.protocols.splits import STALENESS_S
from pagecast.trainer.evaluation.systems.families import SYSTEMS


def asked(
    protocol: str = "prequential", systems: str = "", seeds: str = "0", staleness: str = "0"
) -> Asked:
    return Asked.of(
        protocol=protocol, systems=systems, seeds=seeds, staleness=staleness, budget_minutes=None
    )


def test_lists_are_read_by_comma() -> None:
    told = asked(systems="ease,pagecast", seeds="0,1,2", staleness="0,2.5")
    assert [family.name for family in told.families] == ["ease", "pagecast"]
    assert told.families[1].seeds == (0, 1, 2)
    assert told.staleness_s == (0.0, 2.5)


def test_no_name_is_every_system_and_all_is_every_delay() -> None:
    told = asked(staleness="all")
    assert [family.name for family in told.families] == list(SYSTEMS)
    assert told.staleness_s == STALENESS_S


def test_pages_are_not_asked_of_weights_that_have_learned_their_future() -> None:
    with pytest.raises(EvaluationError, match=r"pages: .* take --pages without --retrain-every"):
        Asked.of(
            protocol="prequential",
            systems="pagecast",
            seeds="0",
            staleness="0",
            budget_minutes=None,
            retrain_every=5,
            pages=1,
        )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"protocol": "weekly"}, "protocol: 'weekly' is not known"),
        ({"systems": "bert"}, "systems: 'bert' is not known"),
        ({"seeds": "a,b"}, "seeds: 'a,b' is no list; write it as 0,1,2"),
        ({"seeds": "all"}, "seeds: "),
        ({"seeds": ""}, "seeds: give one at least"),
        ({"staleness": "soon"}, "staleness: 'soon' is no list"),
        ({"staleness": "nan"}, "staleness: give seconds"),
        ({"protocol": "temporal", "staleness": "all"}, "staleness: temporal has no revealed"),
    ],
)
def test_an_option_at_fault_is_named(given: dict[str, str], message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        asked(**given)
