import json

import pytest

from pagecast.featurestore.history.fold import DEFAULT_FOLD, NEVER
from pagecast.featurestore.history.history import Action
from pagecast.trainer.benchmarks.ablations import ABLATIONS, DEFAULT
from pagecast.trainer.benchmarks.cells import Cell, DataView
from pagecast.trainer.benchmarks.tables import TABLES, Budget, cells
from pagecast.trainer.benchmarks.views import LEFT_OUT
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.overrides import overridden

EVERY = cells(list(TABLES), Budget())


def test_the_default_view_folds_as_ingest_does() -> None:
    assert DataView().fold() == DEFAULT_FOLD


@pytest.mark.parametrize("steps_max", [1, 32, 128, 512])
def test_short_windows_never_lose_more_than_a_quarter_at_once(steps_max: int) -> None:
    fold = DataView(steps_max=steps_max).fold()
    assert fold.steps_max == steps_max
    assert fold.evicted_together <= max(1, steps_max // 4)


def test_events_that_do_not_merge_are_trained_on_as_they_are_asked_about() -> None:
    unmerged = [cell for cell in EVERY if not cell.view.merged]
    assert unmerged
    for cell in unmerged:
        assert set(cell.view.fold().gaps) == {NEVER}
        config = overridden(TrainConfig(), cell.settings["overrides"])
        assert config.engagement == cell.view.engagement()
        assert config.engagement.by_action()[Action.RATE] == 0.0


def test_a_cell_comes_back_from_json_as_it_was() -> None:
    for cell in EVERY:
        assert Cell.from_json(json.loads(json.dumps(cell.to_json()))) == cell


@pytest.mark.parametrize("budget", [Budget(), Budget(seeds=(0,), minutes=0.1, quick=True)])
def test_no_two_cells_are_the_same_and_every_table_has_some(budget: Budget) -> None:
    for table in TABLES:
        told = [json.dumps(cell.to_json()) for cell in cells([table], budget)]
        assert told
        assert len(set(told)) == len(told)


def test_every_override_and_every_view_exists() -> None:
    for cell in EVERY:
        assert set(cell.view.without) <= set(LEFT_OUT)
        overridden(TrainConfig(), cell.settings.get("overrides", {}))  # raises for what is none


def test_every_ablation_changes_something_and_stands_beside_the_default() -> None:
    assert ABLATIONS[0].name == DEFAULT
    for ablation in ABLATIONS[1:]:
        changed = overridden(TrainConfig(), ablation.overrides) != TrainConfig()
        assert changed or ablation.view != DataView(), ablation.name


def test_minutes_are_those_of_each_training() -> None:
    for cell in cells(["scaling", "ablations", "quality"], Budget(minutes=0.5)):
        assert cell.settings["overrides"]["budget_minutes"] == 0.5


def test_quick_needs_one_reading_of_the_data() -> None:
    quick = cells(list(TABLES), Budget(seeds=(0,), minutes=0.1, quick=True))
    assert {cell.view.reading for cell in quick} == {DataView()}


def test_a_table_that_is_none_is_told() -> None:
    with pytest.raises(ValueError, match="tables: 'speed' is none of quality, ablations"):
        cells(["quality", "speed"], Budget())
