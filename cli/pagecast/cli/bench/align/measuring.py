"""Measures cells one after the other, reusing the figures of those already done."""

from collections.abc import Sequence

from pagecast.cli.bench.align.cells import Measuring
from pagecast.cli.bench.align.data import ArenaData
from pagecast.cli.bench.align.tables import Asked
from pagecast.cli.bench.align.telling import telling
from pagecast.cli.bench.align.trainings import KeptTrainings
from pagecast.cli.bench.model_cells import DoneCells
from pagecast.cli.exits import CommandError
from pagecast.cli.output import Output
from pagecast.trainer.alignment.credit import RewardError
from pagecast.trainer.benchmarks.cells import Cell, Figures
from pagecast.trainer.data.snapshot import NothingToTrainError
from pagecast.trainer.evaluation.errors import EvaluationError


def measured(
    cells: Sequence[Cell],
    asked: Asked,
    data: ArenaData,
    done: DoneCells,
    kept: KeptTrainings,
    output: Output,
) -> dict[str, Figures]:
    """Figures by cell, whether done before or measured now."""
    found = dict[str, Figures]()
    with (
        telling(output.console, "measuring", len(cells)) as told,
        Measuring(data, asked.effort, kept, told) as measuring,
    ):
        for number, cell in enumerate(cells):
            figures = done.get(cell)
            if figures is None:
                told.begin(f"{number + 1} of {len(cells)}, {cell.name}, seed {cell.seed}", number)
                figures = _measured_cell(measuring, cell)
                done.add(cell, figures)
                kept.cell_done()
            found[key_of(cell)] = figures
    return found


def _measured_cell(measuring: Measuring, cell: Cell) -> Figures:
    """Raises CommandError where there is too little to learn from."""
    try:
        return measuring.measure(cell)
    except (NothingToTrainError, EvaluationError) as error:
        raise CommandError(
            f"{cell.name}, seed {cell.seed}: {error}",
            "ask for more --members or --days, or for larger --data; what is done is kept by --out",
        ) from error
    except RewardError as error:
        raise CommandError(f"{cell.name}, seed {cell.seed}: {error}") from error


def key_of(cell: Cell) -> str:
    return repr(cell.to_json())
