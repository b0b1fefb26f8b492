"""CPU time between two commits."""

import pytest

from pagecast.cli.bench.watch import Sample, events_per_cpu_second
from pagecast.cli.exits import CommandError


def test_what_is_before_the_first_counted_commit_costs_nothing() -> None:
    samples = [Sample(100, 5.0), Sample(300, 6.0), Sample(700, 8.0)]
    assert events_per_cpu_second(samples, 200) == 200.0
    assert events_per_cpu_second(samples, 100) == 200.0


def test_one_commit_is_too_few() -> None:
    with pytest.raises(CommandError, match="--events"):
        events_per_cpu_second([Sample(100, 5.0), Sample(300, 6.0)], 200)
