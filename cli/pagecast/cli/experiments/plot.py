"""Plots of an experiment's report as inline SVG."""

from collections.abc import Sequence
from html import escape

from pagecast.featurestore.experiments.comparison import Estimate
from pagecast.featurestore.experiments.report import Compared, Step
from pagecast.trainer.evaluation.reports.plots import COLOURS

WIDTH, HEIGHT, LABEL, LINE = 560, 240, 220, 30


def lifts(found: Sequence[Compared]) -> str:
    """A line per comparison: the lift and its interval, around zero."""
    rows = [(f"{one.metric}, {one.arm}", one.figures.lift) for one in found]
    most = max((abs(end) for _, lift in rows if lift for end in _ends(lift)), default=0.0) or 1.0
    middle, scale = LABEL + WIDTH / 2, WIDTH / 2 / most
    height = len(rows) * LINE
    drawn = [f'<path d="M{middle} 0v{height}" stroke="currentColor" stroke-opacity="0.4"/>']
    for number, (name, lift) in enumerate(rows):
        y = number * LINE + LINE / 2
        drawn.append(f'<text x="{LABEL - 8}" y="{y + 4}" text-anchor="end">{escape(name)}</text>')
        if lift is None:
            continue
        low, high = (middle + end * scale for end in _ends(lift))
        drawn.append(
            f'<path d="M{low:.1f} {y}H{high:.1f}" stroke="{COLOURS[0]}" stroke-width="3"/>'
            f'<circle cx="{middle + lift.value * scale:.1f}" cy="{y}" r="5" fill="{COLOURS[0]}"/>'
            f'<text x="{LABEL + WIDTH + 8}" y="{y + 4}">{lift.value:+.1%}</text>'
        )
    return _svg(LABEL + WIDTH + 80, height, drawn)


def path_plot(path: Sequence[Step]) -> str:
    """A line per arm: the difference by users, within its interval; dashes mark zero."""
    known = [step for step in path if step.difference.interval is not None]
    if not known:
        return "<p>Too few users whose time is over.</p>"
    most = max(abs(end) for step in known for end in _ends(step.difference)) or 1.0
    users = max(step.users for step in known)
    middle = HEIGHT / 2
    drawn = [f'<path d="M60 {middle}h{WIDTH}" stroke="currentColor" stroke-dasharray="4"/>']
    for number, arm in enumerate(dict.fromkeys(step.arm for step in known)):
        steps = [step for step in known if step.arm == arm]
        colour = COLOURS[number % len(COLOURS)]
        lows, highs = zip(*(_ends(step.difference) for step in steps), strict=True)
        x = [60 + WIDTH * step.users / users for step in steps]

        def line(values: Sequence[float], x: Sequence[float] = x) -> list[str]:
            pairs = zip(x, values, strict=True)
            return [f"{at:.1f},{middle - value / most * (middle - 10):.1f}" for at, value in pairs]

        band = " ".join([*line(highs), *reversed(line(lows))])
        drawn.append(
            f'<polygon points="{band}" fill="{colour}" fill-opacity="0.15"/>'
            f'<polyline points="{" ".join(line([s.difference.value for s in steps]))}" fill="none" '
            f'stroke="{colour}" stroke-width="2"/>'
            f'<text x="{WIDTH + 70}" y="{20 + number * 20}" fill="{colour}">{escape(arm)}</text>'
        )
    for y, text in ((14, f"{most:+.3g}"), (HEIGHT - 4, f"{-most:+.3g}")):
        drawn.append(f'<text x="52" y="{y}" text-anchor="end">{text}</text>')
    drawn.append(f'<text x="{60 + WIDTH}" y="{HEIGHT + 18}" text-anchor="end">{users} users</text>')
    return _svg(WIDTH + 200, HEIGHT + 26, drawn)


def _ends(estimate: Estimate) -> tuple[float, float]:
    interval = estimate.interval
    return (estimate.value,) * 2 if interval is None else (interval.low, interval.high)


def _svg(width: int, height: int, drawn: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'xmlns="http://www.w3.org/2000/svg" font-size="13" fill="currentColor">'
        + "".join(drawn)
        + "</svg>"
    )
