"""Three plots as inline SVG, for the report's page. Lengths are in pixels."""

from collections.abc import Mapping, Sequence
from html import escape

LABEL, WIDTH, LINE = 150, 480, 28
"""Width of the names, of the plot, and height of a bar with its space."""

HEIGHT = 240

COLOURS = ("#2563eb", "#dc2626", "#059669", "#d97706", "#7c3aed", "#0891b2", "#be185d")


def bars(rows: Sequence[tuple[str, float, float, float]]) -> str:
    """A bar for each row of (name, value, low, high), with its interval."""
    most = max((high for *_, high in rows), default=0.0) or 1.0
    drawn = []
    for number, (name, *values) in enumerate(rows):
        value, low, high = (LABEL + WIDTH * max(v, 0.0) / most for v in values)
        y = number * LINE
        drawn.append(
            f'<text x="{LABEL - 8}" y="{y + 18}" text-anchor="end">{escape(name)}</text>'
            f'<rect x="{LABEL}" y="{y + 5}" width="{value - LABEL:.1f}" height="18" '
            f'fill="{COLOURS[0]}" fill-opacity="0.6"/>'
            f'<path d="M{low:.1f} {y + 14}H{high:.1f}M{low:.1f} {y + 9}v10M{high:.1f} {y + 9}v10" '
            'stroke="currentColor"/>'
            f'<text x="{high + 6:.1f}" y="{y + 18}">{values[0]:.4f}</text>'
        )
    return _svg(LABEL + WIDTH + 70, len(rows) * LINE, drawn)


def curves(labels: Sequence[str], rows: Mapping[str, Sequence[float]]) -> str:
    """A line per name over evenly spaced labels, from zero to the largest value, which is told."""
    most = max((value for values in rows.values() for value in values), default=0.0) or 1.0
    step = WIDTH / max(len(labels) - 1, 1)
    drawn = [
        f'<text x="{20 + i * step:.1f}" y="{HEIGHT + 20}" text-anchor="middle">'
        f"{escape(label)}</text>"
        for i, label in enumerate(labels)
    ]
    drawn.append(
        f'<path d="M20 {HEIGHT}h{WIDTH}M20 10h{WIDTH}" stroke="currentColor" stroke-opacity="0.4"/>'
        f'<text x="{20 + WIDTH}" y="24" text-anchor="end">{most:.4g}</text>'
    )
    for number, (name, values) in enumerate(rows.items()):
        colour = COLOURS[number % len(COLOURS)]
        points = " ".join(
            f"{20 + i * step:.1f},{HEIGHT - (HEIGHT - 10) * value / most:.1f}"
            for i, value in enumerate(values)
        )
        drawn.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
            f'<text x="{WIDTH + 40}" y="{20 + number * 20}" fill="{colour}">{escape(name)}</text>'
        )
    return _svg(WIDTH + LABEL + 60, HEIGHT + 30, drawn)


def reliability(rows: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """A line per name through points (predicted, real), and the diagonal where they should lie."""
    values = [value for points in rows.values() for pair in points for value in pair]
    least, most = min(values, default=0.0), max(values, default=0.0)
    least = min(least, 0.0)
    scale = HEIGHT / ((most - least) or 1.0)
    drawn = [
        f'<path d="M20 {HEIGHT}L{20 + HEIGHT} 0" stroke="currentColor" stroke-opacity="0.4" '
        'stroke-dasharray="4"/>',
        f'<text x="20" y="{HEIGHT + 20}">{least:.4g}</text>',
        f'<text x="{20 + HEIGHT}" y="{HEIGHT + 20}" text-anchor="end">{most:.4f}</text>',
    ]
    for number, (name, points) in enumerate(rows.items()):
        colour = COLOURS[number % len(COLOURS)]
        line = " ".join(
            f"{20 + (x - least) * scale:.1f},{HEIGHT - (y - least) * scale:.1f}" for x, y in points
        )
        drawn.append(
            f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>'
            f'<text x="{HEIGHT + 40}" y="{20 + number * 20}" fill="{colour}">{escape(name)}</text>'
        )
    return _svg(HEIGHT + LABEL + 60, HEIGHT + 30, drawn)


def _svg(width: int, height: int, drawn: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'xmlns="http://www.w3.org/2000/svg" font-size="13" fill="currentColor">'
        + "".join(drawn)
        + "</svg>"
    )
