import pytest

from pagecast.cli.evaluation.table import delay_name


@pytest.mark.parametrize(
    ("delay_s", "name"),
    [(0, "fresh"), (5, "5 s"), (60, "1 min"), (300, "5 min"), (3600, "1 h"), (86_400, "1 d")],
)
def test_a_delay_is_told_in_its_largest_unit(delay_s: float, name: str) -> None:
    assert delay_name(delay_s) == name
