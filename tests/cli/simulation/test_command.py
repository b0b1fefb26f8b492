"""What `pagecast simulate` can be asked for, and what it refuses."""

import json
import math
from pathlib import Path

import pytest

from pagecast.cli.commands.simulate import simulate
from pagecast.cli.exits import InputError, NotRunningError
from pagecast.cli.simulation.command import read_reward, start_of
from pagecast.featurestore.pages.reward import Outcome, RewardConfig

TABLE = {outcome.value: value for outcome, value in RewardConfig().table.items()}


def test_a_simulation_begins_at_a_midnight_that_leaves_time() -> None:
    assert start_of("2026-01-05", 7) == 1_767_571_200_000
    assert start_of("", 7) % 86_400_000 == 0
    assert start_of("", 7) - start_of("", 8) == 86_400_000


def test_a_simulation_that_is_not_over_yet_is_refused() -> None:
    with pytest.raises(InputError, match=r"are not over yet; give .* or an earlier day"):
        start_of("9000-01-01", 7)
    with pytest.raises(InputError, match="'soon' is no day; give one such as"):
        start_of("soon", 7)
    with pytest.raises(InputError, match="--start: 1969-01-01 is before 1970; give a later day"):
        start_of("1969-01-01", 7)
    with pytest.raises(InputError, match="--days: 10000000 are too many; give 3650 at most"):
        start_of("2026-01-05", 10_000_000)


def test_a_table_of_rewards_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "reward.json"
    path.write_text(json.dumps({**TABLE, "abandoned": -0.02}))
    assert read_reward(path).table[Outcome.ABANDONED] == -0.02


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"binge": 2.0}', "no value for completed"),
        ('{"binged": 2.0}', "no outcome is named binged"),
        ("[]", "it is no object"),
        ("binge: 2", "Expecting value"),
        ('{"binge": null}', "binge: give a number"),
        ('{"binge": "2"}', "binge: give a number"),
        (json.dumps(TABLE | {"hidden": math.nan}), "hidden: give a finite number"),
    ],
)
def test_a_table_that_cannot_be_taken_says_why(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "reward.json"
    path.write_text(text)
    with pytest.raises(InputError, match=f"--reward: .*{said}"):
        read_reward(path)


def test_without_a_stack_it_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(NotRunningError, match="start `pagecast up`"):
        simulate(state_dir=tmp_path)


def test_a_run_that_cannot_be_is_refused_before_data_are_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="readers must be between 1 and 64; mend the option"):
        simulate(readers=65, server="127.0.0.1:1", bootstrap_servers="127.0.0.1:1")
