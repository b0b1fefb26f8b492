"""What is evaluated: anything that can be fitted and can score every entity for a request.

Letters: Q requests, N entities.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from pagecast.trainer.evaluation.protocols.requests import FitPart, Request

Scores = npt.NDArray[np.floating]
"""`score_QN`: only the order within a request means anything; -inf is what cannot be scored."""

Told = Callable[[float], None]
"""Told which share of a stage, 0 to 1, is done."""

Chosen = Mapping[str, float | str]
"""Hyper-parameters by name."""


class System(Protocol):
    """A predictor of the next interaction.

    `learns` says that `reveal` changes its scores: then it is asked moment by moment, and fitted
    again before another run. Others are asked many requests at a time.
    """

    @property
    def learns(self) -> bool: ...

    def fit(self, part: FitPart, told: Told) -> None:
        """Begins anew from what the part allows it to know."""

    def scores(self, requests: Sequence[Request]) -> Scores:
        """`score_QN` of all entities of the fit part's data."""

    def reveal(self, interaction: int) -> None:
        """An interaction has happened since the fit. They come in time order."""


@runtime_checkable
class Retrains(Protocol):
    """A fitted system, of those that do not learn by `reveal`, that can learn what came since."""

    def retrain(self, part: FitPart) -> None:
        """Goes on from the last fit to a part that holds all of that one, and more."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """Hyper-parameters, and how to make a system with them: only one is held at a time."""

    chosen: Chosen
    make: Callable[[], System]


@dataclass(frozen=True, kw_only=True)
class Family:
    """What a name in `--systems` stands for: the candidates of a seed, chosen on validation."""

    name: str
    candidates: Callable[[int], Sequence[Candidate]]
    seeds: tuple[int, ...] = (0,)
