"""What a server says its swaps took, by part."""

from pagecast.cli.bench.quantiles import families
from pagecast.cli.bench.rows import Row

METRIC = "pagecast_swap_seconds"


def parts_so_far(metrics_port: int) -> dict[str, tuple[float, float]]:
    """By part: how many swaps had it, and the seconds they took together."""
    counts, sums = dict[str, float](), dict[str, float]()
    for family in families(metrics_port):
        for sample in family.samples:
            if sample.name == f"{METRIC}_count":
                counts[sample.labels["part"]] = sample.value
            elif sample.name == f"{METRIC}_sum":
                sums[sample.labels["part"]] = sample.value
    return {part: (count, sums[part]) for part, count in counts.items()}


def rows_of_parts(
    before: dict[str, tuple[float, float]], after: dict[str, tuple[float, float]]
) -> list[Row]:
    """Means of the swaps between the two, by wall clock."""
    rows = []
    for part, (count, seconds) in after.items():
        count_before, seconds_before = before.get(part, (0.0, 0.0))
        if count > count_before:
            mean_ms = (seconds - seconds_before) / (count - count_before) * 1000
            rows.append(Row.alone(f"of a swap, {part}, mean ms", mean_ms))
    return rows
