"""An evaluation as the command line starts it: what was asked, and a bar for each system."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress, TaskID

from pagecast.cli.evaluation.data import OpenedData
from pagecast.cli.progress import progress_bar
from pagecast.cli.training.config import train_config
from pagecast.trainer.evaluation.errors import EvaluationError
from pagecast.trainer.evaluation.one_run import EvaluationProgress
from pagecast.trainer.evaluation.one_run import Progress as ToldProgress
from pagecast.trainer.evaluation.pages.page_sample import PageAsk
from pagecast.trainer.evaluation.protocols.interactions import interactions_of
from pagecast.trainer.evaluation.protocols.splits import STALENESS_S, plan_of, refuse
from pagecast.trainer.evaluation.reports.report import Report
from pagecast.trainer.evaluation.run import evaluate
from pagecast.trainer.evaluation.systems.families import families, systems_of
from pagecast.trainer.evaluation.systems.system import Family

STAGES = {
    "choose": "choosing",
    "fit": "fitting",
    "score": "predicting",
    "pages": "making pages",
}
"""What the stages are called on the terminal."""

ALL = "all"

_Value = TypeVar("_Value")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What an evaluation was asked for, checked before any data are read."""

    protocol: str
    families: tuple[Family, ...]
    staleness_s: tuple[float, ...]
    retrain_every: int
    pages: int

    @classmethod
    def of(
        cls,
        *,
        protocol: str,
        systems: str,
        seeds: str,
        staleness: str,
        budget_minutes: float | None,
        retrain_every: int = 0,
        pages: int = 0,
    ) -> "Asked":
        """Reads the options, lists by comma. Raises EvaluationError that names the one at fault."""
        names = [name for name in systems.split(",") if name] or list(systems_of(protocol))
        config = train_config(budget_minutes)
        delays_s = _numbers("staleness", staleness, float)
        if staleness == ALL:
            delays_s = STALENESS_S
        refuse(protocol, delays_s, retrain_every)
        if pages and retrain_every:
            raise EvaluationError(
                "pages: they would be of weights that have learned what the pages are asked about; "
                "take --pages without --retrain-every"
            )
        return cls(
            protocol=protocol,
            families=tuple(families(names, _numbers("seeds", seeds, int), config)),
            staleness_s=delays_s,
            retrain_every=retrain_every,
            pages=pages,
        )


def _numbers(field: str, text: str, parse: Callable[[str], _Value]) -> tuple[_Value, ...]:
    if text == ALL:
        return ()
    try:
        return tuple(parse(part) for part in text.split(",") if part)
    except ValueError as error:
        raise EvaluationError(f"{field}: {text!r} is no list; write it as 0,1,2") from error


def evaluate_data(opened: OpenedData, asked: Asked, progress: ToldProgress) -> Report:
    """Raises EvaluationError, and NothingToTrainError."""
    data = interactions_of(opened.interchange.users, opened.interchange.catalog)
    return evaluate(
        plan_of(asked.protocol, data, asked.staleness_s, asked.retrain_every),
        asked.families,
        data_name=opened.name,
        id_prefix=opened.id_prefix,
        pages=_page_ask(opened, asked),
        progress=progress,
    )


def _page_ask(opened: OpenedData, asked: Asked) -> PageAsk | None:
    if not asked.pages:
        return None
    # The server's code is only needed here, and an evaluation without pages never needs it.
    from pagecast.cli.evaluation.page_facts import ServedFacts

    return PageAsk(facts_of=ServedFacts(opened.interchange), pages=asked.pages)


@contextmanager
def evaluation_bar(console: Console) -> Iterator[ToldProgress]:
    """A bar for each system and seed."""
    with progress_bar(console) as progress:
        yield _Bars(progress).show


class _Bars:
    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[tuple[str, int], TaskID] = {}

    def show(self, at: EvaluationProgress) -> None:
        key = at.system, at.seed
        if key not in self._tasks:
            name = at.system if at.seed == 0 else f"{at.system}, seed {at.seed}"
            self._tasks[key] = self._progress.add_task(name, total=1.0, note="")
        note = STAGES.get(at.stage, at.stage)
        self._progress.update(self._tasks[key], completed=at.share_done, note=note)
