"""Pages built from what a user did after a cut (docs/papers.md 2.3 and 2.8).

A page is what the platform should have shown: rows that hold the entities of the next steps. No
entity stands twice, and watched ones stand only in a CONTINUE row.

Letters: N steps of a user, W entities of the window after a cut, R rows of the catalog.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from pagecast.trainer.config import PageConfig
from pagecast.trainer.data.users import UserColumns
from pagecast.trainer.pages.pools import Pools

NO_ARGUMENT = -1

SHARE_SMOOTHING = 0.02
"""Least share of the catalog a row counts with: a row of three entities would beat all by lift."""


class Origin(StrEnum):
    """Where a page comes from; the two are never mixed without saying so."""

    LOGGED = "logged"
    """A page that was served."""
    CONSTRUCTED = "constructed"
    """A page that was built from what the user did next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRow:
    """A row of a page, by catalog indices; `weights` are the entities' engagement."""

    row: int
    argument: int
    entities: tuple[int, ...]
    weights: tuple[float, ...]


class PageBuilder:
    """Builds pages; what it draws depends only on the generator it is given."""

    def __init__(
        self, pools: Pools, *, next_row: int, fallback_row: int, config: PageConfig
    ) -> None:
        self.next_row, self.fallback_row = next_row, fallback_row
        self._pools, self._config = pools, config
        self._share_R = np.maximum(pools.shares(), SHARE_SMOOTHING)

    def build(self, user: UserColumns, cut: int, rng: np.random.Generator) -> list[PageRow]:
        """Rows of the page after a cut, top to bottom; empty if nothing was chosen after it."""
        window = user.next_entities(cut, self._config.window_steps)
        entity_W, weight_W = np.array(list(window), np.int64), np.array(list(window.values()))
        argument = int(user.entity_N[cut - 1]) if cut else NO_ARGUMENT
        offer_RW = self._offers(user, cut, entity_W, argument)
        rows: list[PageRow] = []
        begin_at_top = rng.random() < self._config.top_first and self.next_row < len(offer_RW)
        while len(rows) < self._config.rows_max and offer_RW.any():
            row = self.next_row if begin_at_top and not rows else self._draw(offer_RW, rng)
            length = int(rng.integers(2, self._config.entities_max + 1))
            chosen_C = np.flatnonzero(offer_RW[row])[:length]
            rows.append(
                PageRow(
                    row=self.fallback_row if rng.random() < self._config.row_fallback else row,
                    argument=argument if self._pools.is_because(row) else NO_ARGUMENT,
                    entities=tuple(entity_W[chosen_C].tolist()),
                    weights=tuple(weight_W[chosen_C].tolist()),
                )
            )
            offer_RW[row] = False
            offer_RW[:, chosen_C] = False
        return [row for row in rows if row.entities]

    def _offers(
        self,
        user: UserColumns,
        cut: int,
        entity_W: npt.NDArray[np.int64],
        argument: int,
    ) -> npt.NDArray[np.bool_]:
        """Which entity of the window each row may hold."""
        at_ms = int(user.at_ms_N[cut])
        offer_RW = self._pools.members(entity_W, at_ms, argument)
        watched_W = np.isin(entity_W, user.entity_N[:cut])
        offer_RW[:, watched_W] = False
        for row in self._pools.continue_rows:
            offer_RW[row] = np.isin(entity_W, user.begun(cut))
        return offer_RW

    def _draw(self, offer_RW: npt.NDArray[np.bool_], rng: np.random.Generator) -> int:
        """A row, likelier the more of the window it holds and the less of the catalog it could."""
        count_R = offer_RW.sum(1)
        weight_R = count_R.astype(np.float64) ** 2 / self._share_R
        return int(np.searchsorted(np.cumsum(weight_R), rng.random() * weight_R.sum(), "right"))
