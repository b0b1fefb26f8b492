"""Cells' figures become rows beside what they should be compared with."""

from collections.abc import Sequence

import pytest

from pagecast.cli.bench.model_plot import scaling_svg
from pagecast.cli.bench.model_rows import PUBLISHED, model_rows
from pagecast.cli.bench.rows import Row
from pagecast.trainer.benchmarks.ablations import DEFAULT
from pagecast.trainer.benchmarks.cells import Cell, Figures
from pagecast.trainer.benchmarks.page_ways import EXACT, ROUNDED, WAYS
from pagecast.trainer.benchmarks.sasrec import Loss
from pagecast.trainer.benchmarks.speed import EVERYTHING, OURS


def cell(table: str, name: str, figures: Figures, seed: int = 0) -> tuple[Cell, Figures]:
    return Cell(table=table, name=name, seed=seed), figures


def quality(ndcg: float, hr: float) -> Figures:
    return {"ndcg_at_10": ndcg, "hr_at_10": hr, "cpu_seconds": 60.0, "epochs": 20.0}


def find(rows: Sequence[Row], what: str, beside: str = "") -> Row:
    (row,) = (row for row in rows if (row.what, row.beside) == (what, beside))
    return row


@pytest.mark.parametrize(("ndcg", "reached"), [((0.10, 0.11), False), ((0.11, 0.13), True)])
def test_quality_is_the_mean_of_seeds_and_stands_beside_what_is_to_be_reached(
    ndcg: tuple[float, float], reached: bool
) -> None:
    measured = [
        cell("quality", "leave-one-out, pagecast", quality(of_seed, 0.2), seed)
        for seed, of_seed in enumerate(ndcg)
    ]
    measured.append(cell("quality", "leave-one-out, ease", quality(0.08, 0.1)))
    rows = model_rows(measured, published=True)
    what = "NDCG@10, leave-one-out"
    mean = sum(ndcg) / 2
    assert find(rows, f"{what}, mean of 2 seeds").ours == pytest.approx(mean)
    assert find(rows, f"{what}, least").ours == ndcg[0]
    assert find(rows, f"{what}, most").ours == ndcg[1]
    assert find(rows, what, "ease, this run").ratio == pytest.approx(mean / 0.08)
    to_reach = find(rows, what, "what is to be reached")
    assert (to_reach.theirs, to_reach.reached) == (0.106, reached)
    assert find(rows, what, "SASRec of RecTools, L = 200").reached is None
    assert not any("prequential" in row.what for row in rows)


def test_a_retrained_model_stands_beside_retrained_systems_and_the_same_reach() -> None:
    def both(frozen: float, retrained: float) -> Figures:
        return {
            **quality(frozen, 0.2),
            "retrained_ndcg_at_10": retrained,
            "retrained_hr_at_10": 0.2,
        }

    measured = [
        cell("quality", "prequential, pagecast", both(0.10, 0.12)),
        cell("quality", "prequential, ease-recency", both(0.09, 0.10)),
    ]
    rows = model_rows(measured, published=True)
    reach = "what is to be reached, fresh"
    assert find(rows, "NDCG@10, prequential", reach).reached is False
    assert find(rows, "NDCG@10 retrained, prequential", reach).reached is True
    beside = find(rows, "NDCG@10 retrained, prequential", "ease-recency, this run")
    assert beside.ratio == pytest.approx(1.2)


def test_figures_of_others_stand_only_beside_those_of_the_same_data() -> None:
    measured = [cell("quality", "leave-one-out, pagecast", quality(0.1, 0.2))]
    published = {at.beside for at in PUBLISHED}
    assert not published & {row.beside for row in model_rows(measured, published=False)}


def test_an_ablation_stands_beside_the_default_of_the_same_run() -> None:
    measured = [
        cell("ablations", DEFAULT, quality(0.12, 0.2)),
        cell("ablations", "no rows", quality(0.09, 0.2), seed=0),
        cell("ablations", "no rows", quality(0.15, 0.2), seed=1),
    ]
    rows = model_rows(measured, published=False)
    row = find(rows, "validation NDCG@10, no rows", DEFAULT)
    assert (row.ours, row.theirs, row.ratio) == (pytest.approx(0.12), 0.12, pytest.approx(1.0))
    assert find(rows, "validation NDCG@10, no rows, most").ours == 0.15
    assert find(rows, "CPU s, no rows", DEFAULT).ratio == 1.0


def test_a_default_that_is_never_right_divides_nothing() -> None:
    measured = [
        cell("ablations", DEFAULT, quality(0.0, 0.0)),
        cell("ablations", "no rows", quality(0.1, 0.2)),
    ]
    row = find(model_rows(measured, published=False), "validation HR@10, no rows", DEFAULT)
    assert (row.theirs, row.ratio) == (0.0, None)


@pytest.mark.parametrize(("ours", "reached"), [(1_900.0, False), (2_000.0, True)])
def test_speed_is_to_be_twice_a_padded_sasrec_s(ours: float, reached: bool) -> None:
    figures = {OURS: [ours] * 2, EVERYTHING: [9_000.0] * 2}
    figures |= {loss.value: [1_000.0] * 2 for loss in Loss}
    rows = model_rows([cell("throughput", "200", figures)], published=False)
    row = find(rows, "tokens/CPU-s, histories of 200", "SASRec padded to 200, softmax")
    assert (row.reach, row.reached) == (2.0, reached)


@pytest.mark.parametrize(("difference", "reached"), [(9e-5, True), (2e-4, False)])
def test_the_worst_graph_counts(difference: float, reached: bool) -> None:
    figures = {"prompt_difference_max": 1e-6, "decode_difference_max": difference}
    rows = model_rows([cell("parity", "tiny", figures)], published=False)
    row = find(rows, "largest difference of the graphs, tiny", "the largest that is published")
    assert (row.ours, row.reached) == (difference, reached)


def test_8_bit_weights_stand_beside_the_exact_ones_of_their_seed() -> None:
    figures = {
        "ndcg_at_10_int8": 0.09,
        "ndcg_at_10_fp32": 0.1,
        "ndcg_difference_error": 0.002,
        "equal_choices": 0.97,
        "choices": 1200.0,
    } | {
        f"{figure}, {way}": 0.5 if way == "k=1" else 1.0
        for figure in ("same_entities", "target_worth")
        for way in (EXACT, ROUNDED, *WAYS)
    }
    rows = model_rows([cell("decoding", "default", figures)], published=False)
    assert find(rows, "validation NDCG@10, int8, seed 0", "fp32").ratio == pytest.approx(0.9)
    equal = "share of 1,200 choices of fp32 pages that int8 makes too, seed 0"
    assert find(rows, equal).ours == 0.97
    assert find(rows, "share of the exact page's entities, k=1, seed 0").ours == 0.5
    assert find(rows, "worth of the target's place, k=1, seed 0", EXACT).ratio == 0.5


@pytest.mark.parametrize(("seconds", "flat"), [(0.44, True), (0.5, False)])
def test_a_step_with_drawn_entities_is_to_stay_flat(seconds: float, flat: bool) -> None:
    def step(name: str, negatives: int, cpu_seconds: float) -> tuple[Cell, Figures]:
        figures = {"cpu_seconds": cpu_seconds, "setup_cpu_seconds": 1.0, "peak_gigabytes": 2.0}
        return Cell(table="cost", name=name, settings={"negatives": negatives}), figures

    measured = [step("few, drawn", 8, 0.3), step("many, drawn", 8, seconds), step("few", 0, 0.9)]
    rows = model_rows(measured, published=False)
    assert find(rows, "CPU s of a step, many, drawn", "few, drawn").reached is flat
    assert find(rows, "CPU s of a step, few").ours == 0.9
    assert find(rows, "peak GB, many, drawn").ours == 2.0


def test_the_largest_profile_says_that_it_took_a_step() -> None:
    figures = {"steps": 1.0, "parameters": 2e8, "entity_loss": 7.4}
    rows = model_rows([cell("parity", "large", figures)], published=False)
    assert find(rows, "loss of one training step, large").ours == 7.4


def test_the_plot_has_a_line_for_each_data_and_context() -> None:
    measured = [
        cell("scaling", f"{size}, {rest}", quality(0.1, 0.2))
        for size in ("tiny", "small")
        for rest in ("50% of users, 128 steps", "100% of users, 512 steps")
    ]
    svg = scaling_svg(measured)
    assert svg.count("<polyline") == 2
    assert "100% of users, 512 steps" in svg
    assert scaling_svg([]) == ""
