"""The loop as plots: what members truly got, and how much beside the hits they saw, by day."""

from collections.abc import Callable, Sequence

from pagecast.cli.bench.align.loop.rows import Row
from pagecast.trainer.evaluation.reports.plots import HEIGHT, LABEL, WIDTH, curves

SMOOTH_DAYS = 5
"""Days that a point covers, its own being the last: one day is too few sessions."""

LABELLED = 5
"""Days from one number on the axis to the next."""

TITLE, PANEL = 30, HEIGHT + 40
"""Heights, in pixels."""

Sums = Callable[[Row], tuple[float, float]]
"""What a day adds to a ratio, above and below."""

PANELS: dict[str, Sums] = {
    "True reward per session": lambda row: (row.reward, row.sessions),
    "Long tail, share of impressions": lambda row: (
        row.exposure.tail * row.exposure.impressions,
        row.exposure.impressions,
    ),
}


def loop_svg(rows: Sequence[Row]) -> str:
    """Both plots, with a line per arm, from zero; "" without rows."""
    if not rows:
        return ""
    days = max(row.day for row in rows) + 1
    labels = [str(day) if day % LABELLED == 0 or day == 1 else "" for day in range(1, days + 1)]
    width, height = WIDTH + LABEL + 60, len(PANELS) * (TITLE + PANEL)
    drawn = []
    for number, (title, sums) in enumerate(PANELS.items()):
        top = number * (TITLE + PANEL)
        lines = {name: _line(name, rows, days, sums) for name in dict.fromkeys(r.arm for r in rows)}
        drawn.append(
            f'<text x="20" y="{top + 20}">{title}, means of up to {SMOOTH_DAYS} days</text>'
            f'<g transform="translate(0 {top + TITLE})">{curves(labels, lines)}</g>'
        )
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'xmlns="http://www.w3.org/2000/svg" font-size="13" fill="currentColor">'
        + "".join(drawn)
        + "</svg>"
    )


def _line(name: str, rows: Sequence[Row], days: int, sums: Sums) -> list[float]:
    """Over all seeds; 0 where nobody came."""
    values = []
    for day in range(days):
        near = range(day - SMOOTH_DAYS + 1, day + 1)
        parts = [sums(row) for row in rows if row.arm == name and row.day in near]
        above, below = sum(a for a, _ in parts), sum(b for _, b in parts)
        values.append(above / below if below else 0.0)
    return values
