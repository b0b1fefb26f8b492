import math

import numpy as np
import pytest

from pagecast.trainer.batches.batch import CutPage, PackedBatch
from pagecast.trainer.batches.packer import pack
from pagecast.trainer.batches.targets import Targets
from pagecast.trainer.data.users import Window
from pagecast.trainer.fitting.meter import LOSS_SMOOTHING, Meter, counts
from pagecast.trainer.pages.constructed import PageRow

OPENING = CutPage(
    cut=0, rows=[PageRow(row=7, argument=-1, entities=(3,), weights=(1.0,))], opening=True
)


def window(positions: int) -> Window:
    return Window(
        user=0,
        first=0,
        entity_T=np.zeros(positions, np.int64),
        fields_TF=np.ones((positions, 2), np.int64),
        cuts_C=np.arange(positions - 1),
    )


def uneven() -> PackedBatch:
    """Five steps and no page beside three steps and an opening: 9 tokens of 12 positions."""
    return pack(
        [window(5), window(3)],
        [[], [OPENING]],
        [Targets.of([1], [{3: 1.0}], 0.5)],
        ahead_decay=0.5,
    )


def test_padding_behind_histories_and_behind_pages_is_no_token() -> None:
    counted = counts(uneven())
    assert (counted["examples"], counted["positions"], counted["tokens"]) == (2.0, 12.0, 9.0)
    assert (counted["openings"], counted["constructed_pages"], counted["logged_pages"]) == (1, 0, 0)


def test_a_process_without_windows_counts_nothing() -> None:
    assert set(counts(None).values()) == {0.0}
    assert counts(None).keys() == counts(uneven()).keys()


def test_padding_is_a_share_of_all_positions_so_far() -> None:
    meter = Meter()
    assert meter.padding == 1.0
    meter.read(counts(uneven()), entity_loss=1.0, row_loss=1.0)
    assert meter.padding == pytest.approx(3 / 12)
    full = pack([window(6)], [[]], ahead_decay=0.5)
    meter.read(counts(full), entity_loss=1.0, row_loss=1.0)
    assert meter.padding == pytest.approx(3 / 18)
    assert meter.per_second("tokens", 5.0) == pytest.approx(15 / 5)


def test_losses_are_running_means_that_begin_with_the_first() -> None:
    meter = Meter()
    assert math.isnan(meter.entity_loss)
    meter.read(counts(None), entity_loss=4.0, row_loss=2.0)
    assert (meter.entity_loss, meter.row_loss) == (4.0, 2.0)
    meter.read(counts(None), entity_loss=0.0, row_loss=2.0)
    assert meter.entity_loss == pytest.approx(4.0 * LOSS_SMOOTHING)
    assert meter.row_loss == 2.0
