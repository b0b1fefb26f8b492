"""`pagecast experiments` on a state directory that nothing else uses."""

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import structlog
from factories_databases import migrated
from featurestore.experiments.factories_experiments import clicking, registered
from typer.testing import CliRunner

from pagecast.cli.exits import CommandError, InputError
from pagecast.cli.main import app
from pagecast.featurestore.experiments.assignment import Experiment
from pagecast.featurestore.pages.reward import RewardConfig
from pagecast.featurestore.state import StatePaths


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Experiment:
    """Of the working directory's state; nothing was served yet."""
    paths = StatePaths(root=tmp_path / ".pagecast").create()
    engine = migrated(paths.database_url)
    made = registered(engine)
    engine.dispose()
    monkeypatch.chdir(tmp_path)
    return made


def run(*arguments: str) -> str:
    """Stdout of a command in this process. Raises what it raises."""
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    if done.exception is not None:
        raise done.exception
    return done.stdout


def test_a_report_says_the_lift_and_writes_a_page(experiment: Experiment, tmp_path: Path) -> None:
    clicking(260, experiment, 0.4).write(StatePaths(root=tmp_path / ".pagecast").offline)
    said = json.loads(run("experiments", "report", "one", "--html", "report.html", "--json"))
    assert {arm["alias"] for arm in said["arms"]} == {"champion", "rival"}
    clicks = next(one for one in said["metrics"] if one["metric"] == "clicks")
    assert clicks["lift"]["interval"][0] > 0
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "Experiment one" in page
    plots = [ElementTree.fromstring(found) for found in re.findall(r"<svg.*?</svg>", page, re.S)]
    assert [len(plot) > 2 for plot in plots] == [True, True]
    assert "device=web" in page
    assert [(one["drawn_by"], one["estimates"]) for one in said["off_policy"]] == [
        ("champion", None),
        ("rival", None),
    ]
    assert page.count("an arm that takes the best token has no estimate") == 2


def test_a_report_counts_by_the_table_that_is_set(experiment: Experiment, tmp_path: Path) -> None:
    clicking(120, experiment, 0.4).write(StatePaths(root=tmp_path / ".pagecast").offline)
    ordinary = page_rewards(json.loads(run("experiments", "report", "one", "--json")))
    table = {outcome.value: 10.0 * worth for outcome, worth in RewardConfig().table.items()}
    told = "".join(f"{name} = {worth}\n" for name, worth in table.items())
    (tmp_path / "pagecast.toml").write_text(f"[reward]\n{told}")
    tenfold = page_rewards(json.loads(run("experiments", "report", "one", "--json")))
    assert tenfold == pytest.approx([10.0 * worth for worth in ordinary])
    assert ordinary[0] > 0.0


def page_rewards(report: dict[str, Any]) -> list[float]:
    one = next(one for one in report["metrics"] if one["metric"] == "page_reward")
    return [one["control_mean"], one["treated_mean"]]


def test_experiments_are_started_listed_and_stopped(experiment: Experiment) -> None:
    alias = json.loads(run("models", "alias", "third", "v2", "--json"))
    assert alias["aliases"] == ["challenger", "rival", "third"]
    arms = ("--arm", "third=0.2", "--arm", "rival=0.3", "--outcome-hours", "2")
    started = json.loads(run("experiments", "start", "two", *arms, "--json"))
    assert started["shares"] == {"third": 0.2, "rival": 0.3}
    assert (started["control"], started["outcome_ms"]) == ("third", 7_200_000)
    stopped = json.loads(run("experiments", "stop", "two", "--json"))
    assert stopped["stopped_at_ms"] >= started["started_at_ms"]
    listed = json.loads(run("experiments", "list", "--json"))
    assert [one["name"] for one in listed] == ["two", "one"]
    newest = json.loads(run("experiments", "list", "--limit", "1", "--json"))
    assert [one["name"] for one in newest] == ["two"]
    assert "third=0.2 rival=0.3" in run("experiments", "list")


WRONG = {
    ("start", "two", "--arm", "champion=0.6", "--arm", "rival=0.5"): "sum to 1.1, above 1",
    ("start", "two", "--arm", "champion=0.6", "--arm", "nobody=0.1"): "no model has",
    ("start", "one", "--arm", "champion=0.6", "--arm", "rival=0.1"): "'one' is taken",
    ("start", "two", "--arm", "champion"): "--arm: 'champion' has no share",
    ("report", "one", "--html", "nowhere/report.html"): "nowhere is no folder",
}


def test_wrong_input_is_named(experiment: Experiment) -> None:
    for arguments, told in WRONG.items():
        with pytest.raises(InputError, match=told):
            run("experiments", *arguments)
    with pytest.raises(InputError, match="champion moves by promotion"):
        run("models", "alias", "champion", "v2")
    with pytest.raises(CommandError, match="no experiment 'x'"):
        run("experiments", "report", "x")


def test_what_is_logged_of_a_model_is_not_on_stdout(
    experiment: Experiment, capsys: pytest.CaptureFixture[str]
) -> None:
    structlog.reset_defaults()
    assert json.loads(run("experiments", "list", "--json"))[0]["name"] == experiment.name
    structlog.get_logger("pagecast.engine.bundles.bundle").info("bundle_loaded")
    assert capsys.readouterr().out == ""
