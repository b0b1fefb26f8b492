"""Packed pages: one prompt, many cuts, one forward pass.

The pages of all cuts stand behind the history. A page's position looks at the history up to its
request's position and at its own page before it; its rotary position continues the request's. So
every page sees what it would see decoded alone.

Letters: B windows, L positions (history, then pages), T positions of history, F fields, J hidden
positions that predict an entity, K their targets, M hidden positions that predict a row.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pagecast.trainer.pages import PageRow
from pagecast.trainer.users import Window

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
    scored, once.
    """

    cut: int
    rows: Sequence[PageRow]
    opening: bool = False


@dataclass(frozen=True, kw_only=True)
class PackedBatch:
    """What one forward pass takes; entities and rows are catalog indices.

    `sees_BL` is the last position of the history a position looks at. `*_from_*` index the
    flattened B x L hidden positions, `target_of_K` indexes J.
    """

    fields_BTF: npt.NDArray[np.int64]
    entity_BL: npt.NDArray[np.int64]
    row_BL: npt.NDArray[np.int64]
    position_BL: npt.NDArray[np.int64]
    page_BL: npt.NDArray[np.int64]
    sees_BL: npt.NDArray[np.int64]
    row_from_M: npt.NDArray[np.int64]
    row_target_M: npt.NDArray[np.int64]
    row_weight_M: npt.NDArray[np.float32]
    entity_from_J: npt.NDArray[np.int64]
    target_of_K: npt.NDArray[np.int64]
    target_entity_K: npt.NDArray[np.int64]
    target_weight_K: npt.NDArray[np.float32]

    def mask_BLL(self) -> npt.NDArray[np.bool_]:
        """True where position i (second axis) looks at position j (third axis)."""
        page_BL = self.page_BL
        order_L = np.arange(page_BL.shape[1])
        history_BLL = (page_BL == HISTORY)[:, None] & (order_L <= self.sees_BL[..., None])
        own_BLL = (page_BL[:, None] == page_BL[..., None]) & (page_BL >= 0)[:, None]
        own_BLL &= order_L <= order_L[:, None]
        mask_BLL: npt.NDArray[np.bool_] = history_BLL | own_BLL | np.eye(len(order_L), dtype=bool)
        return mask_BLL


def pack(
    windows: Sequence[Window], pages: Sequence[Sequence[CutPage]], *, ahead_decay: float
) -> PackedBatch:
    """Packs windows with the pages after their cuts.

    An entity's targets are all entities of its row from it on, each `ahead_decay` times the one
    before: which of the next comes first is mostly chance (docs/papers.md 3.3).
    """
    positions = max(len(w.entity_T) for w in windows)
    packer = _Packer(positions, ahead_decay)
    for window, window_pages in zip(windows, pages, strict=True):
        packer.begin(window)
        for number, page in enumerate(window_pages):
            packer.add(page, number)
    return packer.finish(windows)


class _Packer:
    """Grows the columns of a batch; hidden positions are (window, position) until the end."""

    def __init__(self, positions: int, ahead_decay: float) -> None:
        self._positions, self._decay = positions, ahead_decay
        self._columns: list[dict[str, list[int]]] = []
        self._row: list[tuple[int, int, int, float]] = []
        self._entity: list[tuple[int, int]] = []
        self._target: list[tuple[int, int, float]] = []

    def begin(self, window: Window) -> None:
        length = len(window.entity_T)
        padding = self._positions - length
        self._columns.append(
            {
                "entity": [*window.entity_T.tolist(), *[NOTHING] * padding],
                "row": [NOTHING] * self._positions,
                "position": list(range(self._positions)),
                "page": [HISTORY] * length + [PADDING] * padding,
                "sees": list(range(self._positions)),
            }
        )

    def add(self, page: CutPage, number: int) -> None:
        window, request = len(self._columns) - 1, page.cut + 1
        at, placed = request, 0
        for row in page.rows:
            if not page.opening:
                self._row.append((window, at, row.row, sum(row.weights) / len(row.weights)))
            placed += 1
            at = self._feed(row.argument, row.row, request + placed, number, request)
            for i, entity in enumerate(row.entities):
                self._expect(window, at, row.entities[i:], row.weights[i:])
                if page.opening:
                    return
                placed += 1
                at = self._feed(entity, NOTHING, request + placed, number, request)
            if not row.entities:
                self._expect(window, at, (), ())

    def _feed(self, entity: int, row: int, position: int, page: int, sees: int) -> int:
        columns = self._columns[-1]
        columns["entity"].append(entity)
        columns["row"].append(row)
        columns["position"].append(position)
        columns["page"].append(page)
        columns["sees"].append(sees)
        return len(columns["row"]) - 1

    def _expect(
        self, window: int, at: int, entities: Sequence[int], weights: Sequence[float]
    ) -> None:
        decay = [self._decay**i for i in range(len(entities))]
        for entity, weight, share in zip(entities, weights, decay, strict=True):
            self._target.append((len(self._entity), entity, weight * share / sum(decay)))
        self._entity.append((window, at))

    def finish(self, windows: Sequence[Window]) -> PackedBatch:
        length = max(len(c["row"]) for c in self._columns)
        fields = windows[0].fields_TF.shape[1]
        fields_BTF = np.zeros((len(windows), self._positions, fields), np.int64)
        for b, window in enumerate(windows):
            fields_BTF[b, : len(window.fields_TF)] = window.fields_TF
        of_row, of_entity, of_target = (
            list(zip(*rows, strict=True)) or [()] * width
            for rows, width in ((self._row, 4), (self._entity, 2), (self._target, 3))
        )
        return PackedBatch(
            fields_BTF=fields_BTF,
            entity_BL=self._padded("entity", NOTHING, length),
            row_BL=self._padded("row", NOTHING, length),
            position_BL=self._padded("position", 0, length),
            page_BL=self._padded("page", PADDING, length),
            sees_BL=self._padded("sees", NOTHING, length),
            row_from_M=_flat(of_row[0], of_row[1], length),
            row_target_M=np.array(of_row[2], np.int64),
            row_weight_M=np.array(of_row[3], np.float32),
            entity_from_J=_flat(of_entity[0], of_entity[1], length),
            target_of_K=np.array(of_target[0], np.int64),
            target_entity_K=np.array(of_target[1], np.int64),
            target_weight_K=np.array(of_target[2], np.float32),
        )

    def _padded(self, name: str, fill: int, length: int) -> npt.NDArray[np.int64]:
        rows = [c[name] + [fill] * (length - len(c[name])) for c in self._columns]
        return np.array(rows, np.int64)


def _flat(window: Sequence[int], position: Sequence[int], length: int) -> npt.NDArray[np.int64]:
    return np.array(window, np.int64) * length + np.array(position, np.int64)
