"""A batch of entity tokens is spelled in codes: what is packed once is packed for both.

An entity of a page takes the positions of its ID's tokens; one of a history or a context keeps its
one position (the token merger), unless the model does without. An opening, after which nothing was
fed, is fed its first target's ID without the last token, so that every level is predicted.

Letters: B windows, L positions, X new positions of all windows, J hidden positions that predict an
entity, T positions of history, F fields.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from pagecast.featurestore.prompt.semantic_ids import NO_TOKEN
from pagecast.trainer.batches.batch import HISTORY, NOTHING, PADDING, PackedBatch

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

NOBODY = -1
"""`fed_J` where nothing is fed after a target's position."""


@dataclass(frozen=True, kw_only=True)
class Spelled:
    """A batch in codes. `fed_J` are the entities fed after the positions of `pages.at_J`, and
    `first_J` the positions of their first tokens."""

    batch: PackedBatch
    fed_J: Ints
    first_J: Ints


def spell(batch: PackedBatch, token_EL: Ints, *, merge_prompt: bool = True) -> Spelled:
    """`token_EL` are the IDs of the catalog's entities."""
    count_E = (token_EL != NO_TOKEN).sum(1)
    spelled_BL = _spelled(batch, merge_prompt=merge_prompt)
    fed_J, branches_J = _fed(batch, spelled_BL)
    own_BL = np.where(spelled_BL, count_E[batch.entity_BL], 1)
    behind_BL = np.zeros_like(own_BL)
    branch_BL = np.full_like(own_BL, NOBODY)
    at_J = batch.pages.at_J[branches_J]
    branch_BL.flat[at_J] = fed_J[branches_J]
    behind_BL.flat[at_J] = count_E[fed_J[branches_J]] - 1
    places = _Places(own_BL, behind_BL)
    entity_BL = np.where(spelled_BL, batch.entity_BL, branch_BL)
    return Spelled(
        batch=_moved(batch, places, spelled_BL, entity_BL, token_EL, merge_prompt),
        fed_J=fed_J,
        first_J=places.last(batch.pages.at_J) + 1,
    )


def _spelled(batch: PackedBatch, *, merge_prompt: bool) -> Bools:
    """True for the entities of pages; not for rows' arguments and what a context names."""
    of_page_BL = (batch.page_BL >= 0) & (batch.row_BL == NOTHING)
    of_page_BL.flat[batch.tail_at_X] = False
    if not merge_prompt:
        of_page_BL |= batch.page_BL == HISTORY
    spelled_BL: Bools = of_page_BL & (batch.entity_BL != NOTHING)
    return spelled_BL


def _fed(batch: PackedBatch, spelled_BL: Bools) -> tuple[Ints, Bools]:
    """`fed_J`, and which of them are not in the batch yet: the first targets of openings."""
    pages, length = batch.pages, batch.page_BL.shape[1]
    fed_J = np.full(len(pages.at_J), NOBODY)
    of_first, first = np.unique(pages.of_K, return_index=True)
    fed_J[of_first] = pages.entity_K[first]
    next_J = np.minimum(pages.at_J + 1, batch.page_BL.size - 1)
    follows_J = (pages.at_J + 1) % length != 0
    follows_J &= batch.page_BL.flat[next_J] == batch.page_BL.flat[pages.at_J]
    follows_J &= spelled_BL.flat[next_J]
    fed_J[follows_J] = batch.entity_BL.flat[next_J[follows_J]]
    return fed_J, ~follows_J & (fed_J != NOBODY)


class _Places:
    """Where positions have gone. `own_BL` positions each becomes, `behind_BL` are added behind."""

    def __init__(self, own_BL: Ints, behind_BL: Ints) -> None:
        self.own_BL = own_BL
        count_BL = own_BL + behind_BL
        self.length = int(count_BL.sum(1).max())
        self.first_BL = np.cumsum(count_BL, axis=1) - count_BL
        window = [np.repeat(np.arange(own_BL.shape[1]), count_L) for count_L in count_BL]
        self.from_ = window
        """By window: the old position of each new one."""

    @property
    def last_BL(self) -> Ints:
        """Where the newest token of each old position stands: the one that stands for it."""
        last_BL: Ints = self.first_BL + self.own_BL - 1
        return last_BL

    def last(self, at_X: Ints) -> Ints:
        """The same of flattened positions, flattened."""
        window_X, position_X = np.divmod(at_X, self.own_BL.shape[1])
        moved_X: Ints = window_X * self.length + self.last_BL[window_X, position_X]
        return moved_X

    def spread(self, old_BL: Ints, fill: int) -> Ints:
        """Each new position with its old one's value; `fill` behind the end."""
        new_BL = np.full((len(old_BL), self.length), fill, np.int64)
        for new_L, old_L, from_L in zip(new_BL, old_BL, self.from_, strict=True):
            new_L[: len(from_L)] = old_L[from_L]
        return new_BL


def _moved(
    batch: PackedBatch,
    places: _Places,
    spelled_BL: Bools,
    entity_BL: Ints,
    token_EL: Ints,
    merge_prompt: bool,
) -> PackedBatch:
    """`entity_BL` are the entities whose tokens stand in, or behind, an old position."""
    page_BL = places.spread(batch.page_BL, PADDING)
    order_L = np.arange(places.length)
    offset_BL = order_L - places.spread(places.first_BL, 0)
    own_BL = places.spread(places.own_BL, 1)
    whole_BL = places.spread(spelled_BL.astype(np.int64), 0) == 1
    behind_BL = offset_BL >= own_BL
    token_BL = np.where(behind_BL & ~whole_BL, offset_BL - own_BL, offset_BL)
    coded_BL = (whole_BL | behind_BL) & (page_BL != PADDING)
    of_BL = places.spread(entity_BL, NOTHING)
    code_BL = np.where(
        coded_BL, token_EL[of_BL, np.minimum(token_BL, token_EL.shape[1] - 1)], NOTHING
    )
    sees_BL = places.spread(np.take_along_axis(places.last_BL, np.maximum(batch.sees_BL, 0), 1), 0)
    request_BL = np.where(
        batch.request_BL == NOTHING,
        NOTHING,
        np.take_along_axis(places.last_BL, np.maximum(batch.request_BL, 0), 1),
    )
    history_BL = page_BL == HISTORY
    moved = replace(
        batch,
        entity_BL=np.where(coded_BL, NOTHING, places.spread(batch.entity_BL, NOTHING)),
        row_BL=np.where(coded_BL, NOTHING, places.spread(batch.row_BL, NOTHING)),
        code_BL=code_BL,
        page_BL=page_BL,
        sees_BL=np.where(history_BL, order_L, sees_BL),
        request_BL=places.spread(request_BL, NOTHING),
        position_BL=_positions(batch, places, page_BL, offset_BL),
        old_at_G=places.last(batch.old_at_G),
        tail_at_X=places.last(batch.tail_at_X),
        row_from_M=places.last(batch.row_from_M),
        history=replace(batch.history, at_J=places.last(batch.history.at_J)),
        pages=replace(batch.pages, at_J=places.last(batch.pages.at_J)),
    )
    return moved if merge_prompt else _with_fields_last(batch, moved, places)


def _positions(batch: PackedBatch, places: _Places, page_BL: Ints, offset_BL: Ints) -> Ints:
    """Rotary positions: a page's go on from where its history, as far as it sees it, ends."""
    more_BL = places.own_BL - 1
    before_BL = np.cumsum(more_BL, axis=1) - more_BL
    begins_BL = np.diff(batch.page_BL, axis=1, prepend=PADDING) != 0
    begins_BL = np.where(begins_BL, np.arange(batch.page_BL.shape[1]), 0)
    begin_BL = np.maximum.accumulate(begins_BL, axis=1)
    of_page_BL = before_BL - np.take_along_axis(before_BL, begin_BL, 1)
    sees_BL = np.maximum(batch.sees_BL, 0)
    of_history_BL = np.take_along_axis(places.last_BL, sees_BL, 1) - sees_BL
    base_BL = places.spread(batch.position_BL + of_page_BL + of_history_BL, 0)
    position_BL: Ints = np.where(
        page_BL == HISTORY, np.arange(places.length), np.where(page_BL >= 0, base_BL + offset_BL, 0)
    )
    return position_BL


def _with_fields_last(batch: PackedBatch, moved: PackedBatch, places: _Places) -> PackedBatch:
    """A step that takes several positions has its fields at the last of them, which predicts."""
    history, fields = batch.fields_BTF.shape[1:]
    at_BT = np.arange(len(batch.fields_BTF))[:, None] * batch.page_BL.shape[1] + np.arange(history)
    of_history_BT = batch.page_BL[:, :history] == HISTORY
    return replace(
        moved,
        fields_BTF=np.zeros((len(batch.fields_BTF), 0, fields), np.int64),
        tail_at_X=np.concatenate([places.last(at_BT[of_history_BT]), moved.tail_at_X]),
        tail_fields_XF=np.concatenate([batch.fields_BTF[of_history_BT], batch.tail_fields_XF]),
    )
