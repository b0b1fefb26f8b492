"""Packs windows and the pages after their cuts into one batch (`batch` says how they stand there).

Letters: L positions, T positions of history, F fields, J hidden positions that predict an entity.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from pagecast.trainer.batches.batch import HISTORY, NOTHING, PADDING, CutPage, PackedBatch
from pagecast.trainer.batches.tails import Tail
from pagecast.trainer.batches.targets import Targets
from pagecast.trainer.data.users import Window
from pagecast.trainer.pages.constructed import Origin, PageRow
from pagecast.trainer.post_training.valued import RowValues, ValuedPositions

NO_VALUES = RowValues(row=(), entities=())
"""For a row that post-training says nothing about."""


def pack(
    windows: Sequence[Window],
    pages: Sequence[Sequence[CutPage]],
    history: Sequence[Targets] = (),
    *,
    ahead_decay: float,
    page_wise: bool = True,
) -> PackedBatch:
    """Packs windows with the pages after their cuts; `history` are targets of each window.

    Where an entity is predicted, it and the rest of its row are targets, each `ahead_decay` times
    the one before: which comes first is mostly chance (docs/papers.md 3.3). On a logged page the
    next token is the only target: its order is what was served. Unless `page_wise`, every row is a
    page of its own, of its token alone, and each of its entities is a target there.
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
    """Grows the columns of a batch; hidden positions are (window, position) until `finish`."""

    def __init__(self, positions: int) -> None:
        self._positions = positions
        self._windows: list[Window] = []
        self._columns: list[dict[str, list[int]]] = []
        self._row: list[tuple[int, int, int, float]] = []
        self._entity: list[tuple[int, int, dict[int, float]]] = []
        self._tails: list[tuple[int, int, Tail]] = []
        self._values = ValuedPositions()
        self._page = 0
        self._request_at = NOTHING

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
                "request": [NOTHING] * self._positions,
            }
        )

    def add(self, page: CutPage) -> None:
        """Each token after the page before it."""
        self._page += 1
        window, placed = len(self._columns) - 1, 0
        at, request, sees = self._begin_page(page)
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

    def _begin_page(self, page: CutPage) -> tuple[int, int, int]:
        """Feeds a page's tail, if it has one; the tokens that follow belong to its request.

        Returns where the request stands, its rotary position, and the last position of the history
        that the page sees.
        """
        request = self._request_at = self._windows[-1].request(page.cut)
        if not len(page.tail):
            return request, request, request
        self._request_at = NOTHING
        self._tails.append((len(self._columns) - 1, len(self._columns[-1]["row"]), page.tail))
        for position, entity in enumerate(page.tail.entity_C.tolist(), start=request):
            at = self._feed(entity, NOTHING, position, request - 1)
        self._request_at = at
        return at, position, request - 1

    def add_rows_alone(self, page: CutPage) -> None:
        """Each row after the request, each entity after the request and its row."""
        window = len(self._columns) - 1
        for number, row in enumerate(page.rows):
            values = page.values[number] if page.values else NO_VALUES
            self._page += 1
            request_at, request, sees = self._begin_page(page)
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
        columns["request"].append(self._request_at)
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
            request_BL=self._padded("request", NOTHING, length),
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
