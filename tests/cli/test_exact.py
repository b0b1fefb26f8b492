"""`pagecast page --exact`."""

import pytest

from pagecast.cli.exact import exact_of
from pagecast.cli.exits import InputError


@pytest.mark.parametrize(
    ("told", "numbers"), [("", (0,)), ("3", (3,)), ("10,3,1", (10, 3, 1)), ("10, 3", (10, 3))]
)
def test_one_number_is_every_row_s_and_the_last_of_several_all_rows_below(
    told: str, numbers: tuple[int, ...]
) -> None:
    assert exact_of(told) == numbers


@pytest.mark.parametrize("told", ["0", "41", "3,0", "3,,1", "many", ",".join(["1"] * 41)])
def test_what_is_no_such_number_is_refused_by_the_option(told: str) -> None:
    with pytest.raises(InputError, match=r"--exact: .*with commas between them"):
        exact_of(told)
