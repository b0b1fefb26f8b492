"""A table of the options of `pagecast train` that contradict each other."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from pagecast.cli.exits import InputError


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """An option that is refused together with some others, or without another."""

    option: str
    beside: tuple[str, ...] = ()
    without: str | None = None
    message: str
    remedy: str

    def applies(self, given: AbstractSet[str]) -> bool:
        """Whether the options given, by name, are refused."""
        if self.option not in given:
            return False
        lacking = self.without is not None and self.without not in given
        return lacking or not given.isdisjoint(self.beside)


REFUSALS = (
    Refusal(
        option="--baseline",
        beside=(
            "--from",
            "--incremental",
            "--resume",
            "--align",
            "--task",
            "--whole",
            "--profile",
            "--response",
            "--budget-minutes",
            "--promote",
        ),
        message="--baseline: it has no weights to begin with or to go on from, no profile, and no "
        "gate to pass",
        remedy="of all else that says how to train it takes --hold-out alone",
    ),
    Refusal(
        option="--whole",
        without="--task",
        message="--whole: moves a model for a task",
        remedy="give the task's rows with --task",
    ),
    Refusal(
        option="--task",
        beside=(
            "--align",
            "--incremental",
            "--resume",
            "--profile",
            "--response",
            "--budget-minutes",
            "--hold-out",
            "--promote",
        ),
        message="--task: a head is fitted on a model as it is, tested on the newest fifth of the "
        "rows, and serves no pages",
        remedy="of all else that says how to train it takes --from and --whole alone",
    ),
    Refusal(
        option="--align",
        beside=("--incremental",),
        message="--align and --incremental",
        remedy="learn what is new first, then align what came of it",
    ),
    Refusal(
        option="--align",
        beside=("--profile", "--response"),
        message="--align: the model that is aligned stays as large as it is",
        remedy="leave out --profile and --response, or name another model with --from",
    ),
)
"""The first that applies is reported."""


def refuse(given: AbstractSet[str]) -> None:
    """Raises InputError if the options given, by name, contradict each other."""
    for refusal in REFUSALS:
        if refusal.applies(given):
            raise InputError(refusal.message, refusal.remedy)
