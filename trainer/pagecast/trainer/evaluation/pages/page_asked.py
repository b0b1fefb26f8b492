"""A page that is to be made for an evaluation, and who makes such pages.

Letters: N entities of the catalog.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from pagecast.engine.page_events import PageEvent
from pagecast.featurestore.prompt.prompt import Prompt
from pagecast.rules.facts import RequestFacts
from pagecast.rules.page_rules import PageRules
from pagecast.trainer.evaluation.protocols.requests import Request


@dataclass(frozen=True, kw_only=True, eq=False)
class AskedPage:
    """A page to be made. `popular` is best first, `scores_N` are its counts at this moment.

    `prompt` names no entities of the catalog: which it would depends on the model (`page_making`).

    `future` is what the user chooses next, of what a page may offer: new to the user and in the
    catalog.
    """

    request: Request
    prompt: Prompt
    facts: RequestFacts
    rules: PageRules
    popular: tuple[int, ...]
    scores_N: npt.NDArray[np.float64]
    future: frozenset[int]


MakePage = Callable[[AskedPage], Iterable[PageEvent]]


@runtime_checkable
class MakesPages(Protocol):
    """A fitted system that can make whole pages, not only rank entities."""

    @property
    def says_probabilities(self) -> bool:
        """Whether the probabilities of its pages mean anything."""

    def pages(self) -> AbstractContextManager[MakePage]:
        """Ready to make pages until it is closed."""
