"""The floor of a step: what must be moved and multiplied, at the core's best rates."""

from dataclasses import replace

import pytest
from engine.factories_engine import TinyModel, vocabulary_of
from hypothesis import given
from hypothesis import strategies as st
from server.factories_server import House

from pagecast.cli.bench.serve.floor import MeasuredStep, rows_of_floor
from pagecast.cli.bench.serve.machine_rates import MachineRates, read_bytes_per_s
from pagecast.cli.bench.serve.step_floor import StepWork, step_work
from pagecast.engine.bundles.manifest import DecodeWeights

FP32, INT8 = DecodeWeights.FP32, DecodeWeights.INT8
MODEL = TinyModel(d_model=128, layers=2, heads=2, head_dim=64, mlp=256)
MATRICES = 2 * (128 * 3 * 128 + 128 * 128 + 2 * 128 * 256)
"""Weights of the model: two layers of four matrices."""

RATES = MachineRates(
    fp32_ops_per_s=100e9, int8_ops_per_s=400e9, read_bytes_per_s=20e9, copy_bytes_per_s=20e9
)


@pytest.fixture
def works(house: House) -> dict[tuple[DecodeWeights, int], StepWork]:
    bundle = house.paths.bundles / house.train(MODEL)
    shape = MODEL.shape(vocabulary_of(house.catalog.snapshot()))
    return {
        (weights, pages): step_work(bundle, weights, shape, pages, positions=100, row_c=10)
        for weights in DecodeWeights
        for pages in (1, 16)
    }


def test_weights_are_read_once_and_multiplied_for_each_page(
    works: dict[tuple[DecodeWeights, int], StepWork],
) -> None:
    one, many = works[FP32, 1], works[FP32, 16]
    assert one.weight_bytes == many.weight_bytes == pytest.approx(4 * MATRICES, rel=0.01)
    assert (one.weight_ops, many.weight_ops) == (2 * MATRICES, 16 * 2 * MATRICES)
    # Keys and values, two layers, two heads of 64, 100 positions, 4 bytes.
    assert (one.cache_bytes, many.cache_bytes) == (204_800, 16 * 204_800)
    assert (one.head_bytes, many.head_bytes) == (10 * 128 * 4, 16 * 10 * 128 * 4)
    assert one.other_ops == 4 * 128 * 100 * 2 + 2 * 10 * 128


def test_8_bit_weights_are_a_quarter_and_their_scales(
    works: dict[tuple[DecodeWeights, int], StepWork],
) -> None:
    exact, rounded = works[FP32, 1], works[INT8, 1]
    assert MATRICES <= rounded.weight_bytes <= 1.1 * MATRICES
    assert rounded.ops == exact.ops and rounded.cache_bytes == exact.cache_bytes


@given(
    weight_bytes=st.integers(0, 10**9),
    weight_ops=st.integers(0, 10**11),
    other=st.integers(0, 10**9),
)
def test_nothing_is_faster_than_moving_and_multiplying(
    weight_bytes: int, weight_ops: int, other: int
) -> None:
    work = StepWork(
        weight_bytes=weight_bytes,
        cache_bytes=0,
        head_bytes=0,
        weight_ops=weight_ops,
        other_ops=other,
    )
    exact_s, rounded_s = (work.floor_s(weights, RATES, 20e9) for weights in (FP32, INT8))
    assert exact_s >= weight_bytes / 20e9 and exact_s >= work.ops / 100e9 * 0.999
    assert rounded_s <= exact_s


def test_a_step_stands_beside_its_floor() -> None:
    work = StepWork(
        weight_bytes=20_000_000, cache_bytes=0, head_bytes=0, weight_ops=10_000_000, other_ops=0
    )
    one = MeasuredStep(
        weights=FP32, pages=1, work=work, read_bytes_per_s=20e9, step_ms=[9.0, 3.0, 3.5]
    )
    rows = rows_of_floor(RATES, [one, replace(one, pages=16, step_ms=[9.0])], 370)
    assert [row.ours for row in rows[:4]] == [100, 400, 20, 20]
    assert (rows[4].ours, rows[4].theirs, rows[4].ratio, rows[4].reached) == (3.5, 1.0, 3.5, True)
    assert (rows[5].reach, rows[5].reached) == (8.0, False)
    assert rows[4].what == "decode step, fp32, 1 pages of 370 positions, CPU ms"
    assert rows[4].beside == "floor: 20.0 MB at 20 GB/s, 10 million operations"


def test_bytes_can_be_read() -> None:
    assert read_bytes_per_s(1 << 16) > 1e6
