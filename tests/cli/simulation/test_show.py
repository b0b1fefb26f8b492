"""A simulation's report, as people read it."""

from pathlib import Path

import pytest
from simulator.factories_simulator import MIDNIGHT_MS, FixedPlatform, training_data

from pagecast.cli.output import Output
from pagecast.cli.simulation.show import show
from pagecast.simulator.run import simulate
from pagecast.simulator.run_config import RunConfig

CONFIG = RunConfig(members=3, days=4, start_ms=MIDNIGHT_MS, reaction_members=0)


@pytest.mark.parametrize(("rows", "warned"), [([["m0", "m1"]], False), ([["x0", "m1"]], True)])
def test_a_catalog_that_is_not_that_of_the_data_is_warned_of(
    rows: list[list[str]], warned: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = simulate(training_data(), CONFIG, FixedPlatform(rows), tmp_path)
    assert report.tallies.whole().impressions > 0
    show(Output(as_json=False), report, "ml-1m")
    said = " ".join(capsys.readouterr().out.split())
    assert "data ml-1m (" in said
    assert ("50% of what was seen is not in ml-1m" in said) == warned
