"""Packed pages: one prompt, many cuts, one forward pass.

The pages of all cuts stand behind the history. A page's position looks at the history up to its
request's position and at its own page before it; its rotary position continues the request's. So
every page sees what it would see decoded alone. A page with a context brings context and request
along (its tail): then it looks at the history before the request's position.

Letters: B windows, L positions (history, then pages), T positions of history, F fields, J hidden
positions that predict an entity, K their targets, M hidden positions that predict a row, X
positions of tails.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from pagecast.trainer.batches.tails import NO_TAIL, Tail
from pagecast.trainer.batches.targets import Targets
from pagecast.trainer.pages.constructed import Origin, PageRow
from pagecast.trainer.post_training.valued import RowValues, Valued

HISTORY = -1
"""`page_BL` of a position of the history."""

PADDING = -2
"""`page_BL` of a position that nothing looks at."""

NOTHING = -1
"""`entity_BL` and `row_BL` where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CutPage:
    """A page after the request at step `cut` of a window.

    An `opening` feeds no more than the first row's token: what may follow it is predicted, or
    scored, once. `values` are post-training's, of each row.
    """

    cut: int
    rows: Sequence[PageRow]
    opening: bool = False
    tail: Tail = NO_TAIL
    origin: Origin = Origin.CONSTRUCTED
    values: Sequence[RowValues] = ()

    @property
    def kind(self) -> str:
        """What a training counts it as: its origin, or an opening, which is no page."""
        return "openings" if self.opening else f"{self.origin}_pages"


@dataclass(frozen=True, kw_only=True)
class PackedBatch:
    """What one forward pass takes; entities and rows are catalog indices.

    `sees_BL` is the last position of the history a position looks at, `request_BL` the position of
    the request that a page's token belongs to, NOTHING elsewhere. Targets and `row_from_M`
    index the flattened B x L hidden positions. `history` is predicted from requests' positions,
    `pages` from those of pages. `tail_at_X` are the flattened positions that have fields beside
    those of the history, and `tail_fields_XF` the fields. `old_at_G` are the flattened positions of
    groups of M old steps, `old_entity_GM` and `old_fields_GMF` the steps. `values` are
    post-training's targets, `kinds` counts pages by kind. `code_BL` are tokens of semantic IDs,
    NOTHING elsewhere; None in a batch of entity tokens.
    """

    fields_BTF: npt.NDArray[np.int64]
    old_at_G: npt.NDArray[np.int64]
    old_entity_GM: npt.NDArray[np.int64]
    old_fields_GMF: npt.NDArray[np.int64]
    tail_at_X: npt.NDArray[np.int64]
    tail_fields_XF: npt.NDArray[np.int64]
    entity_BL: npt.NDArray[np.int64]
    row_BL: npt.NDArray[np.int64]
    position_BL: npt.NDArray[np.int64]
    page_BL: npt.NDArray[np.int64]
    sees_BL: npt.NDArray[np.int64]
    request_BL: npt.NDArray[np.int64]
    row_from_M: npt.NDArray[np.int64]
    row_target_M: npt.NDArray[np.int64]
    row_weight_M: npt.NDArray[np.float32]
    history: Targets
    pages: Targets
    values: Valued
    kinds: Mapping[str, int]
    code_BL: npt.NDArray[np.int64] | None = None

    @property
    def tokens(self) -> int:
        """Positions that are not padding."""
        return int((self.page_BL != PADDING).sum())

    @cached_property
    def mask_BLL(self) -> npt.NDArray[np.bool_]:
        """True where position i (second axis) looks at position j (third axis).

        Worked out once; do not change it.
        """
        page_BL = self.page_BL
        order_L = np.arange(page_BL.shape[1])
        history_BLL = (page_BL == HISTORY)[:, None] & (order_L <= self.sees_BL[..., None])
        own_BLL = (page_BL[:, None] == page_BL[..., None]) & (page_BL >= 0)[:, None]
        own_BLL &= order_L <= order_L[:, None]
        mask_BLL: npt.NDArray[np.bool_] = history_BLL | own_BLL | np.eye(len(order_L), dtype=bool)
        return mask_BLL
