"""Which candidates of a row may be placed next, kept so that applying it to logits costs little.

Usually only the placed ones among a row's candidates are closed, a few dozen of perhaps a hundred
thousand: writing to these costs 1 µs, applying a mask over all of them 80 (benchmarks/serve.md).

Letters in names: C candidates of the row.
"""

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from pagecast.rules.predicates import Mask

Score = TypeVar("Score", bound=np.floating[Any])


class EntityMask:
    """Positions of C candidates: all but those that are closed, or only one of the others.

    Nothing that is closed opens again.
    """

    def __init__(self, candidates: int) -> None:
        self.only: int | None = None
        self._candidates = candidates
        self._closed: list[int] = []
        self._closed_C: Mask | None = None

    def close(self, position: int) -> None:
        self._closed.append(position)

    def close_all(self, closed_C: Mask) -> None:
        """Closes many at once, as when a cap is reached."""
        self._closed_C = closed_C if self._closed_C is None else self._closed_C | closed_C

    def is_open(self, position: int) -> bool:
        if self._closed_C is not None and self._closed_C[position]:
            return False
        return position not in self._closed

    def allows(self, position: int) -> bool:
        return self.is_open(position) and self.only in (None, position)

    def apply(self, scores_C: npt.NDArray[Score]) -> npt.NDArray[Score]:
        """The scores, -inf where nothing may be placed.

        Writes to `scores_C` over what is closed; where there is an `only`, returns a copy.
        """
        # One by one: there are a few dozen at most, and indexing with a list costs as much as ten.
        for position in self._closed:
            scores_C[position] = -np.inf
        if self._closed_C is not None:
            np.copyto(scores_C, -np.inf, where=self._closed_C)
        if self.only is None:
            return scores_C
        alone_C = np.full_like(scores_C, -np.inf)
        alone_C[self.only] = scores_C[self.only]
        return alone_C

    @property
    def mask_C(self) -> Mask:
        """What it allows, as a new bool array: for callers that look at every position anyway."""
        mask_C = np.full(self._candidates, self.only is None)
        if self.only is not None:
            mask_C[self.only] = True
        mask_C[self._closed] = False
        return mask_C if self._closed_C is None else mask_C & ~self._closed_C
