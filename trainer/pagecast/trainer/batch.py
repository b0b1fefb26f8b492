"""Packed pages: one prompt, many cuts, one forward pass.

The pages of all cuts stand behind the history. A page's position looks at the history up to its
request's position and at its own page before it; its rotary position continues the request's. So
every page sees what it would see decoded alone. A page with a context brings context and request
along (its tail): then it looks at the history before the request's position.

Letters: B windows, L positions (history, then pages), T positions of history, F fields, J hidden
positions that predict an entity, K their targets, M hidden positions that predict a row, X
positions of tails.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from pagecast.trainer.pages import Origin, PageRow
from pagecast.trainer.tails import NO_TAIL, Tail
from pagecast.trainer.users import Window
from pagecast.trainer.valued import RowValues, Valued, ValuedPositions

HISTORY = -1
"""`page_BL` of a position of the history."""

PADDING = -2
"""`page_BL` of a position that nothing looks at."""

NOTHING = -1
"""`entity_BL` and `row_BL` where there is none."""

NO_VALUES = RowValues(row=(), entities=())
"""Of a row that post-training says nothing of."""


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
class Targets:
    """Entities that hidden positions are to predict; a position may have several, or none.

    `at_J` are positions, `of_K` indexes J, `entity_K` holds catalog indices. The weights of one
    position's targets add up to the engagement expected there.
    """

    at_J: npt.NDArray[np.int64]
    of_K: npt.NDArray[np.int64]
    entity_K: npt.NDArray[np.int64]
    weight_K: npt.NDArray[np.float32]

    @classmethod
    def of(cls, at: Sequence[int], chosen: Sequence[Mapping[int, float]], decay: float) -> Self:
        """`chosen` are weights by entity, each `decay` times the one before."""
        of: list[int] = []
        entities: list[int] = []
        weights: list[float] = []
        for number, by_entity in enumerate(chosen):
            shares = [decay**i for i in range(len(by_entity))]
            total = sum(shares)
            of += [number] * len(by_entity)
            entities += by_entity
            weights += [w * s / total for w, s in zip(by_entity.values(), shares, strict=True)]
        return cls(
            at_J=np.array(at, np.int64),
            of_K=np.array(of, np.int64),
            entity_K=np.array(entities, np.int64),
            weight_K=np.array(weights, np.float32),
        )

    @classmethod
    def joined(cls, parts: Sequence["Targets"], offsets: Sequence[int]) -> Self:
        """One after the other, each part's positions moved by its offset."""
        none = cls.of((), (), 1.0)
        parts, offsets = [none, *parts], [0, *offsets]
        before = np.cumsum([0, *(len(part.at_J) for part in parts)])
        return cls(
            at_J=np.concatenate([p.at_J + o for p, o in zip(parts, offsets, strict=True)]),
            of_K=np.concatenate([p.of_K + b for p, b in zip(parts, before, strict=False)]),
            entity_K=np.concatenate([p.entity_K for p in parts]),
            weight_K=np.concatenate([p.weight_K for p in parts]),
        )


@dataclass(frozen=True, kw_only=True)
class PackedBatch:
    """What one forward pass takes; entities and rows are catalog indices.

    `sees_BL` is the last position of the history a position looks at. Targets and `row_from_M`
    index the flattened B x L hidden positions. `history` is predicted from requests' positions,
    `pages` from those of pages. `tail_at_X` are the flattened positions that have fields beside
    those of the history, and `tail_fields_XF` the fields. `old_at_G` are the flattened positions of
    groups of M old steps, `old_entity_GM` and `old_fields_GMF` the steps. `values` are
    post-training's targets, `kinds` counts pages by kind.
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
    row_from_M: npt.NDArray[np.int64]
    row_target_M: npt.NDArray[np.int64]
    row_weight_M: npt.NDArray[np.float32]
    history: Targets
    pages: Targets
    values: Valued
    kinds: Mapping[str, int]

    @property
    def tokens(self) -> int:
        """Positions that are not padding."""
        return int((self.page_BL != PADDING).sum())

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
    windows: Sequence[Window],
    pages: Sequence[Sequence[CutPage]],
    history: Sequence[Targets] = (),
    *,
    ahead_decay: float,
    page_wise: bool = True,
) -> PackedBatch:
    """Packs windows with the pages after their cuts; `history` are targets of each window.

    An entity's targets are all entities of its row from it on, each `ahead_decay` times the one
    before: which of the next comes first is mostly chance (docs/papers.md 3.3). Of a logged page
    the next token is the only target: its order is what was served. Unless `page_wise`, every row
    is a page of its own, of its token alone, and each of its entities is a target there.
    """
    positions = max(len(w.entity_T) for w in windows)
    packer = _Packer(positions)
    for window, window_pages in zip(windows, pages, strict=True):
        packer.begin(window)
        for page in window_pages:
            if page_wise or page.opening:
                packer.add(page)
            else:
                packer.add_rows_alone(page)
    kinds = Counter(page.kind for window_pages in pages for page in window_pages)
    return packer.finish(history, ahead_decay, kinds)


class _Packer:
    """Grows the columns of a batch; hidden positions are (window, position) until the end."""

    def __init__(self, positions: int) -> None:
        self._positions = positions
        self._windows: list[Window] = []
        self._columns: list[dict[str, list[int]]] = []
        self._row: list[tuple[int, int, int, float]] = []
        self._entity: list[tuple[int, int, dict[int, float]]] = []
        self._tails: list[tuple[int, int, Tail]] = []
        self._values = ValuedPositions()
        self._page = 0

    def begin(self, window: Window) -> None:
        length = len(window.entity_T)
        padding = self._positions - length
        self._page = -1
        self._windows.append(window)
        self._columns.append(
            {
                "entity": [*window.entity_T.tolist(), *[NOTHING] * padding],
                "row": [NOTHING] * self._positions,
                "position": list(range(self._positions)),
                "page": [HISTORY] * length + [PADDING] * padding,
                "sees": list(range(self._positions)),
            }
        )

    def add(self, page: CutPage) -> None:
        """Each token after the page before it."""
        self._page += 1
        window, placed = len(self._columns) - 1, 0
        at, request, sees = self._request(page)
        for number, row in enumerate(page.rows):
            values = page.values[number] if page.values else NO_VALUES
            if not page.opening:
                self._add_row(window, at, row, values)
            placed += 1
            at = self._feed(row.argument, row.row, request + placed, sees)
            chosen = dict(zip(row.entities, row.weights, strict=True))
            if page.opening or not chosen:
                self._entity.append((window, at, chosen))
                self._values.add_entities(window, at, values.entities)
                continue
            for place, entity in enumerate(row.entities):
                next_alone = page.origin is Origin.LOGGED
                targets = {entity: chosen[entity]} if next_alone else dict(chosen)
                self._entity.append((window, at, targets))
                self._values.add_entities(window, at, values.entities[place : place + 1])
                del chosen[entity]
                placed += 1
                at = self._feed(entity, NOTHING, request + placed, sees)

    def _request(self, page: CutPage) -> tuple[int, int, int]:
        """Feeds a page's tail, if it has one.

        Returns where the request stands, its rotary position, and the last position of the history
        that the page sees.
        """
        request = self._windows[-1].request(page.cut)
        if not len(page.tail):
            return request, request, request
        self._tails.append((len(self._columns) - 1, len(self._columns[-1]["row"]), page.tail))
        for position, entity in enumerate(page.tail.entity_C.tolist(), start=request):
            at = self._feed(entity, NOTHING, position, request - 1)
        return at, position, request - 1

    def add_rows_alone(self, page: CutPage) -> None:
        """Each row after the request, each entity after the request and its row."""
        window = len(self._columns) - 1
        for number, row in enumerate(page.rows):
            values = page.values[number] if page.values else NO_VALUES
            self._page += 1
            request_at, request, sees = self._request(page)
            self._add_row(window, request_at, row, values)
            at = self._feed(row.argument, row.row, request + 1, sees)
            for entity, weight in zip(row.entities, row.weights, strict=True):
                self._entity.append((window, at, {entity: weight}))
            self._values.add_entities(window, at, values.entities)

    def _add_row(self, window: int, at: int, row: PageRow, values: RowValues) -> None:
        self._row.append((window, at, row.row, sum(row.weights) / len(row.weights)))
        self._values.add_row(window, at, values.row)

    def _feed(self, entity: int, row: int, position: int, sees: int) -> int:
        columns = self._columns[-1]
        columns["entity"].append(entity)
        columns["row"].append(row)
        columns["position"].append(position)
        columns["page"].append(self._page)
        columns["sees"].append(sees)
        return len(columns["row"]) - 1

    def finish(
        self, history: Sequence[Targets], ahead_decay: float, kinds: Mapping[str, int]
    ) -> PackedBatch:
        windows = self._windows
        length = max(len(c["row"]) for c in self._columns)
        fields = windows[0].fields_TF.shape[1]
        fields_BTF = np.zeros((len(windows), self._positions, fields), np.int64)
        for b, window in enumerate(windows):
            fields_BTF[b, : len(window.fields_TF)] = window.fields_TF
        return PackedBatch(
            fields_BTF=fields_BTF,
            old_at_G=np.concatenate(
                [b * length + 1 + np.arange(len(w.old)) for b, w in enumerate(windows)]
            ),
            old_entity_GM=np.concatenate([w.old.entity_GM for w in windows]),
            old_fields_GMF=np.concatenate([w.old.fields_GMF for w in windows]),
            tail_at_X=np.concatenate(
                [np.zeros(0, np.int64)]
                + [b * length + at + np.arange(len(tail)) for b, at, tail in self._tails]
            ),
            tail_fields_XF=np.concatenate(
                [np.zeros((0, fields), np.int64)] + [tail.fields_CF for *_, tail in self._tails]
            ),
            entity_BL=self._padded("entity", NOTHING, length),
            row_BL=self._padded("row", NOTHING, length),
            position_BL=self._padded("position", 0, length),
            page_BL=self._padded("page", PADDING, length),
            sees_BL=self._padded("sees", NOTHING, length),
            row_from_M=np.array([b * length + at for b, at, _, _ in self._row], np.int64),
            row_target_M=np.array([row for _, _, row, _ in self._row], np.int64),
            row_weight_M=np.array([weight for *_, weight in self._row], np.float32),
            history=Targets.joined(history, [b * length for b in range(len(history))]),
            pages=Targets.of(
                [b * length + at for b, at, _ in self._entity],
                [chosen for *_, chosen in self._entity],
                ahead_decay,
            ),
            values=self._values.finish(length),
            kinds=kinds,
        )

    def _padded(self, name: str, fill: int, length: int) -> npt.NDArray[np.int64]:
        rows = [c[name] + [fill] * (length - len(c[name])) for c in self._columns]
        return np.array(rows, np.int64)
