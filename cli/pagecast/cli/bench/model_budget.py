"""How much `pagecast bench model` measures, from its options."""

from pagecast.trainer.benchmarks.tables import Budget

SEEDS, QUICK_SEEDS = "0,1,2", "0"

QUICK_USERS, QUICK_MINUTES = 60, 0.02
"""Users, and minutes of each training, of a quick run: five minutes in all on two free cores."""


def budget_of(seeds: str | None, minutes: float | None, *, quick: bool) -> Budget:
    """Reads the options; None means the default. Raises ValueError that names the option."""
    told = seeds if seeds is not None else (QUICK_SEEDS if quick else SEEDS)
    try:
        numbers = tuple(dict.fromkeys(int(part) for part in told.split(",") if part))
    except ValueError as error:
        raise ValueError(f"seeds: {told!r} is no list; write it as 0,1,2") from error
    if not numbers or min(numbers) < 0:
        raise ValueError("seeds: give one at least, integers of 0 and more")
    if quick:
        quick_minutes = QUICK_MINUTES if minutes is None else minutes
        return Budget(seeds=numbers, minutes=quick_minutes, rounds=1, quick=True)
    return Budget(seeds=numbers, minutes=minutes)
