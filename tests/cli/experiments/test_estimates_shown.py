"""Off-policy estimates in the report's table and page."""

from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from featurestore.experiments.factories_experiments import clicking, registered

from pagecast.cli.bench.align.slates import Slates
from pagecast.cli.experiments.html import experiment_html
from pagecast.cli.experiments.table import show_report
from pagecast.cli.output import Output
from pagecast.featurestore.database import connect, migrate
from pagecast.featurestore.experiments.arm_estimates import ArmEstimate
from pagecast.featurestore.experiments.off_policy import estimate_off_policy
from pagecast.featurestore.experiments.report import ExperimentReport
from pagecast.featurestore.experiments.reporting import report_experiment

FOUND = estimate_off_policy(Slates(seed=5, distance=4.0).log(300, 0))
ESTIMATES = (
    ArmEstimate(drawn_by="champion", target="rival", target_version="ab12", found=FOUND),
    ArmEstimate(drawn_by="rival", why_not="none of its pages was drawn <so far>"),
)


@pytest.fixture
def report(tmp_path: Path) -> ExperimentReport:
    engine: sa.Engine = connect(f"sqlite:///{tmp_path / 'db'}")
    migrate(engine)
    log = clicking(3, registered(engine), 0.0).write(tmp_path / "offline")
    made = report_experiment(engine, log, "one")
    engine.dispose()
    return replace(made, off_policy=ESTIMATES)


def test_json_has_figures_or_the_reason(report: ExperimentReport) -> None:
    found, none = report.to_json()["off_policy"]
    assert [one["estimator"] for one in found["estimates"]] == ["ips", "snips", "dr"]
    assert (found["pages"], found["why_not"]) == (300, None)
    assert found["warnings"] == list(FOUND.warnings)
    assert (none["estimates"], none["pages"]) == (None, None)
    assert none["why_not"] == "none of its pages was drawn <so far>"


def test_table_and_page_show_estimates_warnings_and_reasons(
    report: ExperimentReport, capsys: pytest.CaptureFixture[str]
) -> None:
    show_report(Output(as_json=False), report)
    printed = " ".join(capsys.readouterr().out.split())
    page = experiment_html(report)
    warning = "off-policy estimate of rival from pages of champion: 300 pages are worth"
    for text in (printed, page):
        assert f"{FOUND.earned:.3f}" in text
        assert warning in text
        assert "ab12" in text
    assert "no off-policy estimate from pages of rival: none of its pages" in printed
    assert "none of its pages was drawn &lt;so far&gt;" in page
