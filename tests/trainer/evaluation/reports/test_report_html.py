import re
from dataclasses import replace
from xml.etree import ElementTree

from trainer.evaluation.factories_report import REPORT, SYSTEM, both

from pagecast.trainer.evaluation.reports.report_html import report_html


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
