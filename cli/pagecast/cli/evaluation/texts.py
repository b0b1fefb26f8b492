"""Figures as words."""

from pagecast.trainer.evaluation.figures.intervals import Interval


def interval_text(interval: Interval, digits: str) -> str:
    """Both ends, in a format such as ".4f"."""
    return f"{interval.low:{digits}} to {interval.high:{digits}}"
