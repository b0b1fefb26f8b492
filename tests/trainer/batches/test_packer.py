import numpy as np
import pytest

from pagecast.trainer.batches.batch import HISTORY, NOTHING, PADDING, CutPage, PackedBatch
from pagecast.trainer.batches.packer import pack
from pagecast.trainer.batches.targets import Targets
from pagecast.trainer.data.users import Window
from pagecast.trainer.pages.constructed import PageRow


def window(positions: int) -> Window:
    return Window(
        user=0,
        first=0,
        entity_T=np.arange(positions) - 1,
        fields_TF=np.ones((positions, 2), np.int64),
        cuts_C=np.arange(positions - 1),
    )


def row(number: int, *entities: int) -> PageRow:
    return PageRow(row=number, argument=-1, entities=entities, weights=(1.0,) * len(entities))


def packed(*pages: CutPage, positions: int = 5, decay: float = 0.5) -> PackedBatch:
    return pack([window(positions)], [pages], ahead_decay=decay)


def test_a_page_stands_behind_the_history_and_counts_on_from_its_request() -> None:
    batch = packed(CutPage(cut=1, rows=[row(7, 3, 4)]))
    assert batch.page_BL[0].tolist() == [HISTORY] * 5 + [0, 0, 0]
    assert batch.row_BL[0, 5:].tolist() == [7, NOTHING, NOTHING]
    assert batch.entity_BL[0, 5:].tolist() == [NOTHING, 3, 4]
    assert batch.position_BL[0].tolist() == [0, 1, 2, 3, 4, 3, 4, 5]


def test_a_page_sees_the_history_up_to_its_request_and_itself() -> None:
    batch = packed(CutPage(cut=0, rows=[row(7, 3)]), CutPage(cut=2, rows=[row(8, 4)]))
    mask_LL = batch.mask_BLL[0]
    assert np.flatnonzero(mask_LL[4]).tolist() == [0, 1, 2, 3, 4]
    assert np.flatnonzero(mask_LL[6]).tolist() == [0, 1, 5, 6]
    assert np.flatnonzero(mask_LL[7]).tolist() == [0, 1, 2, 3, 7]


def test_a_page_s_tokens_belong_to_its_request() -> None:
    batch = packed(CutPage(cut=0, rows=[row(7, 3)]), CutPage(cut=2, rows=[row(8, 4)]))
    assert batch.request_BL[0].tolist() == [NOTHING] * 5 + [1, 1, 3, 3]


def test_nothing_looks_at_padding() -> None:
    batch = pack(
        [window(5), window(3)], [[], [CutPage(cut=0, rows=[row(7)], opening=True)]], ahead_decay=0.5
    )
    assert batch.page_BL[1].tolist() == [HISTORY] * 3 + [PADDING] * 2 + [0]
    mask_LL = batch.mask_BLL[1]
    assert np.flatnonzero(mask_LL[5]).tolist() == [0, 1, 5]
    assert np.flatnonzero(mask_LL[:, 3]).tolist() == [3]


def test_rows_are_predicted_from_the_request_and_from_the_last_entity() -> None:
    batch = packed(CutPage(cut=1, rows=[row(7, 3, 4), row(8, 5)]))
    assert batch.row_from_M.tolist() == [2, 7]
    assert batch.row_target_M.tolist() == [7, 8]


def test_every_entity_ahead_in_the_row_is_a_target_of_halving_weight() -> None:
    batch = packed(CutPage(cut=1, rows=[row(7, 3, 4)]))
    assert batch.pages.at_J.tolist() == [5, 6]
    assert batch.pages.of_K.tolist() == [0, 0, 1]
    assert batch.pages.entity_K.tolist() == [3, 4, 4]
    assert batch.pages.weight_K.tolist() == pytest.approx([2 / 3, 1 / 3, 1.0])


def test_an_opening_feeds_its_row_only() -> None:
    batch = packed(CutPage(cut=1, rows=[row(7, 3, 4)], opening=True))
    assert batch.row_BL[0, 5:].tolist() == [7]
    assert batch.row_from_M.tolist() == []
    assert batch.pages.at_J.tolist() == [5]
    assert batch.pages.entity_K.tolist() == [3, 4]


def test_an_opening_without_entities_is_scored_but_not_a_target() -> None:
    batch = packed(CutPage(cut=1, rows=[row(7)], opening=True))
    assert batch.pages.at_J.tolist() == [5]
    assert batch.pages.of_K.tolist() == []


def test_the_targets_of_histories_keep_their_window() -> None:
    first = Targets.of([1, 2], [{3: 1.0}, {4: 1.0, 5: 0.5}], 0.5)
    second = Targets.of([1], [{6: 2.0}], 0.5)
    batch = pack([window(5), window(3)], [[], []], [first, second], ahead_decay=0.5)
    assert batch.history.at_J.tolist() == [1, 2, 5 + 1]
    assert batch.history.of_K.tolist() == [0, 1, 1, 2]
    assert batch.history.entity_K.tolist() == [3, 4, 5, 6]
    assert batch.history.weight_K.tolist() == pytest.approx([1.0, 2 / 3, 0.5 / 3, 2.0])
    assert len(batch.pages.at_J) == 0


def test_a_position_nothing_was_chosen_after_is_no_target() -> None:
    targets = Targets.of([1, 2], [{}, {4: 1.0}], 0.5)
    assert targets.at_J.tolist() == [1, 2]
    assert targets.of_K.tolist() == [1]
