"""Presentation bias: how probable it is that a place on the page is seen.

Estimated from pages that were looked at, that is of which something was seen: of those on which
the place was filled, the share on which its entity was seen, or acted upon. Few pages reach far
down, so each share is drawn towards a prior as if `prior_pages` more pages had been served: the
product of how often its row is seen and how often its column is, relative to any place. Where
attention to rows and to columns is independent, that is the truth.

Letters: R row positions, C positions within a row.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import JsonValue

from pagecast.trainer.page_config import PresentationConfig

Places = Sequence[Sequence[bool]]
"""A page by row and position: whether what stands there was seen."""


@dataclass(frozen=True, kw_only=True)
class Presentation:
    """Probabilities of being seen: of each place, `seen_RC`, and of any place of a row, `row_R`."""

    seen_RC: npt.NDArray[np.float64]
    row_R: npt.NDArray[np.float64]
    pages: int
    config: PresentationConfig

    def weight(self, row: int, place: int) -> float:
        """What an entity that was seen there weighs: 1 without correction."""
        return self._weight(self.seen_RC[row, place])

    def row_weight(self, row: int) -> float:
        """What a row that was seen there weighs."""
        return self._weight(self.row_R[row])

    def facts(self) -> dict[str, JsonValue]:
        """For the manifest: the estimate, rounded to what so few pages can tell."""
        return {
            "corrected": self.config.correct,
            "pages": self.pages,
            "seen": [[round(float(p), 4) for p in row] for row in self.seen_RC],
            "rows_seen": [round(float(p), 4) for p in self.row_R],
        }

    def _weight(self, probability: float) -> float:
        if not self.config.correct:
            return 1.0
        return float(min(1.0 / probability, self.config.weight_max))


def estimate(pages: Iterable[Places], config: PresentationConfig) -> Presentation:
    """Estimates from pages; those of which nothing was seen tell nothing of places."""
    looked_at = [page for page in pages if any(map(any, page))]
    rows = max((len(page) for page in looked_at), default=0)
    columns = max((len(row) for page in looked_at for row in page), default=0)
    served_RC, seen_RC = np.zeros((rows, columns)), np.zeros((rows, columns))
    served_R, seen_R = np.zeros(rows), np.zeros(rows)
    for page in looked_at:
        for number, row in enumerate(page):
            served_RC[number, : len(row)] += 1
            seen_RC[number, : len(row)] += row
            served_R[number] += 1
            seen_R[number] += any(row)
    mean = seen_RC.sum() / max(served_RC.sum(), 1.0)
    prior = config.prior_pages
    by_row_R1 = _share(seen_RC.sum(1), served_RC.sum(1), mean)[:, None]
    by_column_1C = _share(seen_RC.sum(0), served_RC.sum(0), mean)[None]
    prior_RC = np.minimum(by_row_R1 * by_column_1C / max(mean, 1e-9), 1.0)
    any_of = seen_R.sum() / max(served_R.sum(), 1.0)
    return Presentation(
        seen_RC=_drawn(seen_RC, served_RC, prior_RC, prior),
        row_R=_drawn(seen_R, served_R, any_of, prior),
        pages=len(looked_at),
        config=config,
    )


def _share(
    seen_X: npt.NDArray[np.float64], served_X: npt.NDArray[np.float64], mean: float
) -> npt.NDArray[np.float64]:
    """Shares, each drawn towards the mean as if one more page had been served: none is 0."""
    share_X: npt.NDArray[np.float64] = (seen_X + mean) / (served_X + 1.0)
    return share_X


def _drawn(
    seen: npt.NDArray[np.float64],
    served: npt.NDArray[np.float64],
    prior: npt.NDArray[np.float64] | float,
    pages: float,
) -> npt.NDArray[np.float64]:
    """Above 0 and at most 1, even where nothing was ever seen and the prior has no weight."""
    share = (seen + pages * prior) / np.maximum(served + pages, 1e-9)
    bounded: npt.NDArray[np.float64] = np.clip(share, 1e-9, 1.0)
    return bounded
