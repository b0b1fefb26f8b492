"""The loop from the command line: what cannot be asked for, and a small run."""

import dataclasses
from pathlib import Path

import pytest
from cli.factories_cli import document, pagecast

from pagecast.cli.bench.align.command import AlignBench
from pagecast.cli.bench.align.loop.bench import (
    QUICK_ARMS,
    QUICK_DAYS,
    QUICK_MEMBERS,
    QUICK_PASSES,
    LoopOptions,
)
from pagecast.cli.bench.align.loop.config import LoopConfig
from pagecast.cli.exits import InputError
from pagecast.trainer.start_config import IncrementalConfig

NOTHING = LoopOptions(
    quick=False, arms=None, seeds=None, members=None, days=None, passes=None, out=None
)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {"tables": "lifts"},
            "--tables: 'lifts' is none of contenders, findings, align, ids, off-policy, loop",
        ),
        ({"tables": "loop", "arms": "best"}, "--arms: 'best' is none of multi-stage"),
        ({"tables": "loop", "seeds": "one"}, "--seeds: 'one' is no list"),
        ({"tables": "loop", "plot": Path("no/where.svg")}, "--plot: no is no folder"),
        ({"tables": "loop", "out": Path("no/where.json")}, "--out: no is no folder"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_data_are_read(
    given: dict[str, object], told: str, tmp_path: Path
) -> None:
    fields = {field.name: None for field in dataclasses.fields(AlignBench)}
    with pytest.raises(InputError, match=told):
        AlignBench(  # type: ignore[arg-type]
            **{**fields, "quick": False, "as_json": False, "state_dir": tmp_path, **given}
        ).run()


def test_what_is_not_given_is_the_loops_own_and_the_folder_is_beside_the_file() -> None:
    assert NOTHING.config() == LoopConfig()
    given = dataclasses.replace(
        NOTHING,
        arms="frozen/greedy, corrected/frozen",
        seeds=(3, 4),
        passes=2.0,
        out=Path("a/done.json"),
    ).config()
    assert (given.arms, given.seeds) == (("frozen", "greedy, corrected"), (3, 4))
    assert (given.train.epochs, given.folder) == (2.0, Path("a/done.loop"))
    assert given.to_dict()["passes"] == 2.0
    assert dataclasses.replace(NOTHING, quick=True).config().arms == QUICK_ARMS


@pytest.mark.faults
def test_a_quick_loop_is_one_document_and_a_plot(tmp_path: Path) -> None:
    options = "--quick --tables loop --arms multi-stage --data made-up --plot loop.svg --json"
    done = document(pagecast("bench", "align", *options.split(), cwd=tmp_path))
    assert done["simulator"] and done["quick"]
    assert [day["day"] for day in done["loop"]["days"]] == [0, 1, 2]
    assert [arm["arm"] for arm in done["loop"]["arms"]] == ["multi-stage"]
    assert "cells" not in done
    assert done["loop"]["config"] == {
        "arms": ["multi-stage"],
        "seeds": [0],
        "members": QUICK_MEMBERS,
        "days": QUICK_DAYS,
        "passes": QUICK_PASSES,
        "incremental": dataclasses.asdict(IncrementalConfig()),
    }
    assert (tmp_path / "loop.svg").read_text().count("<polyline") == 2
