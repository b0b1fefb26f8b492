from hypothesis import given
from hypothesis import strategies as st

from pagecast.cli.percentile import percentile

values = st.lists(st.floats(0, 1e6), min_size=1, max_size=300)


@given(values, st.floats(0.01, 1.0))
def test_at_least_that_share_is_not_above_a_percentile(values: list[float], share: float) -> None:
    bound = percentile(values, share)
    assert bound in values
    assert sum(value <= bound for value in values) >= share * len(values) - 1e-9


def test_percentiles_of_a_hundred() -> None:
    hundred = [float(n) for n in range(1, 101)]
    assert [percentile(hundred, share) for share in (0.5, 0.99, 1.0)] == [50.0, 99.0, 100.0]
