"""What members saw in some days of an arm, and how that compares with another arm's days."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from pagecast.cli.bench.align.lifts import over_seeds, share
from pagecast.cli.bench.align.loop.rows import Row
from pagecast.simulator.interval import Estimate


@dataclass(frozen=True, kw_only=True)
class Seen:
    """As in `Exposure`: shares are of all impressions of the days, the others means over days."""

    tail: float = 0.0
    launched: float = 0.0
    coverage: float = 0.0
    effective: float = 0.0


def seen_in(rows: Sequence[Row]) -> Seen:
    """Over all days; zeros without any."""
    if not rows:
        return Seen()
    days = [row.exposure for row in rows]
    impressions = max(sum(day.impressions for day in days), 1)
    return Seen(
        tail=sum(day.tail * day.impressions for day in days) / impressions,
        launched=sum(day.launched * day.impressions for day in days) / impressions,
        coverage=float(np.mean([day.coverage for day in days])),
        effective=float(np.mean([day.effective for day in days])),
    )


def seen_lifts(pairs: Sequence[tuple[Sequence[Row], Sequence[Row]]]) -> dict[str, Estimate]:
    """By field of `Seen`, how far an arm is above another: means over seeds, a pair each.

    Intervals are over seeds; a field is NOTHING if a seed's other arm has 0 there.
    """
    seeds = [(asdict(seen_in(ours)), asdict(seen_in(theirs))) for ours, theirs in pairs]
    return {
        name: over_seeds([share(ours[name], theirs[name]) for ours, theirs in seeds])
        for name in asdict(Seen())
    }
