"""What tables show of figures, on the terminal and in the JSON document."""

import pytest
from cli.bench.align.test_ids import measured as measured_ids

from pagecast.cli.bench.align.cells import METRICS, aligned_cells, valued_cells
from pagecast.cli.bench.align.contenders import GENERATIVE, LOGGED_WBC, WBC
from pagecast.cli.bench.align.own_reward import (
    BY_GATED,
    BY_PAGE,
    BY_PREFERENCE,
    DISTANCE,
    JUDGED,
    TRUE,
)
from pagecast.cli.bench.align.tables import TABLES, Asked
from pagecast.cli.bench.align.workshop import Effort
from pagecast.cli.output import Output
from pagecast.trainer.benchmarks.cells import Cell, Figures
from pagecast.trainer.benchmarks.logged_values import ENTITY_AUC, LOSS, USERS, WEIGHT

EFFORT = Effort(members=4, days=1, passes=1.0)

ASKED = Asked(seeds=(0,), effort=EFFORT, contenders=None, quick=True)


def of_members(factor: float) -> Figures:
    names = (*METRICS, BY_GATED, BY_PAGE, BY_PREFERENCE, TRUE, DISTANCE)
    told = {name: [factor * n for n in (1.0, 2.0, 3.0, 2.0)] for name in names}
    return {**told, "sessions": [1.0, 2.0, 3.0, 2.0], JUDGED: [1.0, 2.0, 3.0, 2.0]}


def aligned() -> list[tuple[Cell, Figures]]:
    cells = aligned_cells([LOGGED_WBC, GENERATIVE, "dr-grpo"], [0], EFFORT)
    return list(zip(cells, [of_members(f) for f in (1.0, 0.8, 1.2)], strict=True))


def test_recipes_stand_beside_wbc_and_beside_what_they_began_as(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = TABLES["align"].show(Output(as_json=False), ASKED, aligned())
    lift = {
        (one["contender"], one["beside"]): one["lift"]["mean"]
        for one in told["lifts"]
        if one["metric"] == "reward"
    }
    own = {(one["contender"], one["metric"]): one["lift"]["mean"] for one in told["own"]}
    assert lift["dr-grpo", LOGGED_WBC] == pytest.approx(0.2)
    assert lift["dr-grpo", GENERATIVE] == pytest.approx(0.5)
    assert own["dr-grpo", BY_PAGE] == pytest.approx(0.5)
    said = capsys.readouterr().out
    assert "+20.0%" in said
    assert "+50.0%" in said


def test_findings_are_told_by_what_members_did_and_by_genpages_own_measures(
    capsys: pytest.CaptureFixture[str],
) -> None:
    cells = valued_cells([WBC, "WBC, no pretraining"], [0], EFFORT)
    of_log = {
        LOSS: [0.3, 0.6],
        WEIGHT: [1.0, 2.0],
        ENTITY_AUC: [0.9, 0.94],
        USERS: [1.0, 1.0],
    }
    worse = {**of_log, LOSS: [0.4, 0.5], ENTITY_AUC: [0.9, 0.92]}
    figures = [{**of_members(1.0), **of_log}, {**of_members(0.9), **worse}]
    told = TABLES["findings"].show(
        Output(as_json=False), ASKED, list(zip(cells, figures, strict=True))
    )
    found = {one["metric"]: one for one in told["logged_pages"]}
    assert found.keys() == {LOSS, ENTITY_AUC}, "nobody has an area over rows"
    assert (found[LOSS]["ours"], found[LOSS]["theirs"]) == pytest.approx((0.3, 0.3))
    assert found[ENTITY_AUC]["difference"]["mean"] == pytest.approx(-0.01)
    assert {one["contender"] for one in told["lifts"]} == {"WBC, no pretraining"}
    assert "0.910" in capsys.readouterr().out


def test_ways_to_say_an_entity_have_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    told = TABLES["ids"].show(Output(as_json=False), ASKED, measured_ids())
    assert next(row["name"] for row in told["rows"]) == "entity tokens"
    assert len(told["differences"]) == 9  # three pairs, three questions
    assert "semantic" in capsys.readouterr().out


def test_cells_of_a_quick_run_are_fewer() -> None:
    whole = Asked(seeds=(0, 1), effort=EFFORT, contenders=None, quick=False)
    for name in ("align", "findings", "ids"):
        quick, every = (TABLES[name].cells(asked) for asked in (ASKED, whole))
        assert {cell.name for cell in quick} < {cell.name for cell in every}
