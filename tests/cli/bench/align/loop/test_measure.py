"""Arms in a small world: each lives its days, learns from them, and resumes where it was."""

import dataclasses
import json
from pathlib import Path

import pytest
from cli.bench.align.factories_loop import EAGER, TINY, arena

from pagecast.cli.bench.align.data import ArenaData
from pagecast.cli.bench.align.loop.config import FROZEN, MULTI_STAGE, LoopConfig
from pagecast.cli.bench.align.loop.measure import measure_loop
from pagecast.cli.bench.align.loop.models import FIRST, Models, published
from pagecast.cli.bench.align.loop.rows import Row
from pagecast.cli.exits import InputError
from pagecast.featurestore.offline import OfflineLog
from pagecast.trainer.export.bundle import load_model

STAGES = LoopConfig(arms=(MULTI_STAGE,), members=4, days=3, train=TINY, simulator=EAGER)


class Cut(Exception):  # noqa: N818 - what happens to a run
    """The run was stopped."""


@pytest.fixture(scope="module")
def data() -> ArenaData:
    return arena()


@pytest.fixture(scope="module")
def whole(data: ArenaData, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Row]]:
    """Three days of the baseline, in one go."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, run(dataclasses.replace(STAGES, folder=folder), data)


def run(config: LoopConfig, data: ArenaData, cut: str = "") -> list[Row]:
    """With a `cut`, the run is stopped where it says something with these words."""

    def say(what: str, share: float) -> None:
        if cut and cut in f"{what} {share:.0%}":
            raise Cut

    return measure_loop(config, data, "commit", say)


def test_every_day_has_a_row_and_all_but_the_last_a_model(
    whole: tuple[Path, list[Row]],
) -> None:
    folder, rows = whole
    assert [(row.arm, row.day) for row in rows] == [(MULTI_STAGE, day) for day in range(3)]
    assert sum(row.sessions for row in rows) > 0
    assert sum(row.reward for row in rows) != 0
    assert all(row.exposure.impressions for row in rows if row.pages)
    assert Models(folder / "multi-stage-0" / "models").newest == 1


def test_pages_are_logged_as_a_server_logs_them_and_each_day_by_its_own_model(
    whole: tuple[Path, list[Row]],
) -> None:
    folder, rows = whole
    pages = [record.page for record in OfflineLog(folder / "multi-stage-0" / "log").read_pages()]
    assert len(pages) == sum(row.pages for row in rows)
    versions = list(dict.fromkeys(page.model_version for page in pages))
    first = published(folder / "first-multi-stage-0")
    models = Models(folder / "multi-stage-0" / "models")
    assert first is not None
    assert versions == [first.name, *(models.bundle(day).name for day in range(2))]
    for page in pages:
        assert page.prompt_sha256
        for row in page.rows:
            assert len(row.entity_ids) == len(row.entity_log_probabilities) > 0
            assert all(chance <= 0.0 for chance in row.entity_log_probabilities)


def test_a_run_that_was_cut_goes_on_to_the_same_days(
    data: ArenaData, whole: tuple[Path, list[Row]], tmp_path: Path
) -> None:
    config = dataclasses.replace(STAGES, folder=tmp_path)
    with pytest.raises(Cut):
        run(config, data, cut="days 67%")
    assert run(config, data) == whole[1]


def test_a_run_goes_on_with_more_days_and_says_nothing_of_what_is_done(
    data: ArenaData, whole: tuple[Path, list[Row]], tmp_path: Path
) -> None:
    short = dataclasses.replace(STAGES, folder=tmp_path, days=2)
    assert run(short, data) == whole[1][:2]
    assert run(short, data, cut="%") == whole[1][:2]
    assert run(dataclasses.replace(short, days=3), data) == whole[1]


def test_a_folder_with_other_members_pages_is_refused(
    data: ArenaData, whole: tuple[Path, list[Row]]
) -> None:
    folder, _ = whole
    with pytest.raises(InputError, match="is of members '4', this run of '5'"):
        run(dataclasses.replace(STAGES, folder=folder, members=5), data)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"arms": ("best",)}, "arms: 'best' is none of multi-stage, greedy"),
        ({"arms": ()}, "arms and seeds: name one at least"),
        ({"days": 0}, "days must be at least 1"),
        ({"members": 0}, "members must be at least 1"),
    ],
)
def test_what_cannot_be_run_is_refused_by_name(change: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        dataclasses.replace(STAGES, **change)  # type: ignore[arg-type]


@pytest.mark.faults
def test_generative_arms_part_by_what_they_learn_and_draw(data: ArenaData, tmp_path: Path) -> None:
    names = (FROZEN, "greedy", "exploring, corrected")
    config = dataclasses.replace(STAGES, arms=names, folder=tmp_path, days=2)
    rows = run(config, data)
    by_arm = {name: [row for row in rows if row.arm == name] for name in names}
    # All begin with one model and one luck; frozen serves it for ever.
    assert by_arm[FROZEN][0] == dataclasses.replace(by_arm["greedy"][0], arm=FROZEN)
    assert Models(tmp_path / "frozen-0" / "models").newest == FIRST
    assert all(row.drawn_pages == 0 for row in by_arm["greedy"])
    assert sum(row.drawn_pages for row in by_arm["exploring, corrected"]) > 0
    learned = [
        load_model(Models(tmp_path / folder / "models").bundle(0))[2].config
        for folder in ("greedy-0", "exploring-corrected-0")
    ]
    told = [json.loads(json.dumps(one))["presentation"]["correct"] for one in learned]
    assert told == [False, True]


@pytest.mark.faults
def test_a_generative_arm_that_was_cut_goes_on_to_the_same_days(
    data: ArenaData, tmp_path: Path
) -> None:
    config = dataclasses.replace(STAGES, arms=("exploring",))
    whole = run(dataclasses.replace(config, folder=tmp_path / "whole"), data)
    cut = dataclasses.replace(config, folder=tmp_path / "cut")
    with pytest.raises(Cut):
        run(cut, data, cut="days 67%")
    assert run(cut, data) == whole
