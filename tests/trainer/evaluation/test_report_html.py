import re
from dataclasses import replace
from xml.etree import ElementTree

from pagecast.trainer.evaluation.intervals import Difference, Interval
from pagecast.trainer.evaluation.report import Both, Figures, Report, Slice, SystemReport
from pagecast.trainer.evaluation.report_html import report_html


def both(ndcg: float) -> Both:
    figures = Figures(
        ndcg_at_10=ndcg,
        hr_at_10=0.3,
        mrr=0.2,
        ndcg_at_10_interval=Interval(low=ndcg - 0.01, high=ndcg + 0.01),
    )
    return Both(masked=figures, unmasked=figures)


SYSTEM = SystemReport(
    name="ease <1>",
    figures=both(0.125),
    cpu_seconds=1.5,
    chosen={"lambda": 100.0},
    slices={"new users": Slice(targets=0, ndcg_at_10=None)},
    staleness={0.0: both(0.125)},
    seeds={0: both(0.125)},
    difference=Difference(mean=0.02, interval=Interval(low=0.01, high=0.03)),
)

REPORT = Report(
    protocol="prequential",
    data="a & b",
    split_sha256="0" * 64,
    users=2,
    entities=3,
    interactions=20,
    targets=2,
    systems=(SYSTEM,),
)


def test_the_page_has_the_figures_and_needs_nothing_from_elsewhere() -> None:
    page = report_html(REPORT)
    for text in ("0.1250", "0.1150 to 0.1350", "+0.0200", "lambda 100.0", "a &amp; b", "0" * 64):
        assert text in page
    assert "ease &lt;1&gt;" in page
    assert "<1>" not in page
    assert re.findall(r"(?:src|href)=", page) == []


def test_plots_are_well_formed() -> None:
    late = replace(SYSTEM, staleness={0.0: both(0.125), 5.0: both(0.1)})
    plots = re.findall(r"<svg.*?</svg>", report_html(replace(REPORT, systems=(late,))))
    assert len(plots) == 2
    for plot in plots:
        ElementTree.fromstring(plot)


def test_the_staleness_curve_is_drawn_where_there_is_one() -> None:
    assert "how late" not in report_html(REPORT)
    late = replace(SYSTEM, staleness={0.0: both(0.125), 5.0: both(0.1)})
    page = report_html(replace(REPORT, systems=(late,)))
    assert "how late" in page
    assert "<polyline" in page
