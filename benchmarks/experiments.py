"""How often the intervals of an experiment's report are wrong when one looks again and again.

    python benchmarks/experiments.py [RUNS] [--json]

Users are made up, so the truth is known: the treated get a tenth more. A run is wrong if the
interval misses the truth at any of its looks, from 200 users to 4,000. Beside it stands a
fixed-time 95 % interval, read at the same looks and at the last one alone. Rows go to stderr as
they are known.
"""

import json
import math
import sys
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from pagecast.featurestore.experiments.comparison import Estimate, compare
from pagecast.featurestore.experiments.sample_ratio import sample_ratio

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

SEED = 20261126
USERS = 4_000
LOOKS = tuple(int(n) for n in np.unique(np.geomspace(200, USERS, 24).round()))
LIFT = 0.1
SHARES = (0.5, 0.2)

World = Callable[[np.random.Generator, Bools], tuple[Floats, Floats, float]]
"""Outcomes, what the users did before, and the true mean of the control."""


def clicks(rng: np.random.Generator, treated_U: Bools) -> tuple[Floats, Floats, float]:
    """Counts: most users have none, some have many."""
    taste_U = rng.gamma(0.5, 2.0, len(treated_U))
    outcome_U = rng.poisson(taste_U * np.where(treated_U, 1 + LIFT, 1.0))
    return outcome_U.astype(float), rng.poisson(taste_U).astype(float), 1.0


def completed(rng: np.random.Generator, treated_U: Bools) -> tuple[Floats, Floats, float]:
    """Rare: one user in twenty has one."""
    outcome_U = rng.random(len(treated_U)) < 0.05 * np.where(treated_U, 1 + LIFT, 1.0)
    return outcome_U.astype(float), (rng.random(len(treated_U)) < 0.05).astype(float), 0.05


def reward(rng: np.random.Generator, treated_U: Bools) -> tuple[Floats, Floats, float]:
    """Of either sign, and well predicted by what came before."""
    taste_U = rng.normal(2.0, 3.0, len(treated_U))
    outcome_U = taste_U + rng.normal(0.0, 1.5, len(treated_U)) + 2.0 * LIFT * treated_U
    return outcome_U, taste_U + rng.normal(0.0, 1.5, len(treated_U)), 2.0


def heavy(rng: np.random.Generator, treated_U: Bools) -> tuple[Floats, Floats, float]:
    """Watched hours of a few binge watchers: a log-normal with a deviation of 1.5."""
    taste_U = rng.normal(0.0, 1.2, len(treated_U))
    outcome_U = np.exp(taste_U + rng.normal(0.0, 0.9, len(treated_U)))
    return outcome_U * np.where(treated_U, 1 + LIFT, 1.0), np.exp(taste_U), math.exp(1.5**2 / 2)


WORLDS: tuple[World, ...] = (clicks, completed, reward, heavy)


def run(world: World, share: float, runs: int) -> dict[str, object]:
    rng = np.random.default_rng(SEED)
    wrong = dict.fromkeys(("sequence", "with_covariate", "lift", "fixed_peeked", "fixed_once"), 0)
    alarms, kept, narrower = 0, [], []
    for _ in range(runs):
        treated_U = rng.random(USERS) < share
        outcome_U, before_U, base = world(rng, treated_U)
        missed = dict.fromkeys(wrong, False)
        alarm = False
        for users in LOOKS:
            outcome, treated, before = outcome_U[:users], treated_U[:users], before_U[:users, None]
            plain = compare(outcome, treated)
            helped = compare(outcome, treated, before)
            missed["sequence"] |= _misses(plain.difference, LIFT * base)
            missed["with_covariate"] |= _misses(helped.difference, LIFT * base)
            missed["lift"] |= _misses(helped.lift, LIFT)
            once = _fixed_misses(outcome, treated, LIFT * base)
            missed["fixed_peeked"] |= once
            missed["fixed_once"] = once
            counts = [int(treated.sum()), int((~treated).sum())]
            alarm |= sample_ratio(counts, (share, 1 - share)).alarm
        for name, is_wrong in missed.items():
            wrong[name] += is_wrong
        alarms += alarm
        kept.append(helped.variance_kept)
        narrower.append(_width(helped.difference) / _width(plain.difference))
    rates: dict[str, object] = {name: count / runs for name, count in wrong.items()}
    return {
        "world": world.__name__,
        "treated_share": share,
        "runs": runs,
        **rates,
        "variance_kept": float(np.mean(kept)),
        "width_with_covariate": float(np.mean(narrower)),
        "sample_ratio_alarms": alarms / runs,
    }


def _misses(estimate: Estimate | None, truth: float) -> bool:
    if estimate is None or estimate.interval is None:
        return False
    return truth not in estimate.interval


def _fixed_misses(outcome_U: Floats, treated_U: Bools, truth: float) -> bool:
    arms = (outcome_U[treated_U], outcome_U[~treated_U])
    error = math.sqrt(sum(arm.var(ddof=1) / len(arm) for arm in arms))
    return bool(abs(arms[0].mean() - arms[1].mean() - truth) > 1.96 * error)


def _width(estimate: Estimate) -> float:
    assert estimate.interval is not None
    return estimate.interval.high - estimate.interval.low


def main() -> None:
    arguments = [argument for argument in sys.argv[1:] if argument != "--json"]
    runs = int(arguments[0]) if arguments else 300
    began_s = time.monotonic()
    rows = []
    for world in WORLDS:
        for share in SHARES:
            rows.append(run(world, share, runs))
            if len(rows) == 1:
                sys.stderr.write(" | ".join(rows[0]) + "\n")
            told = [f"{v:.3f}" if isinstance(v, float) else str(v) for v in rows[-1].values()]
            sys.stderr.write(" | ".join(told) + "\n")
    took_s = time.monotonic() - began_s
    sys.stderr.write(f"{len(LOOKS)} looks from {LOOKS[0]} to {USERS} users; {took_s:.0f} s\n")
    if "--json" in sys.argv:
        print(json.dumps({"seed": SEED, "looks": len(LOOKS), "rows": rows}))


if __name__ == "__main__":
    main()
