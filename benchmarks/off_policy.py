"""How often the interval of an off-policy estimate holds what the target truly earns.

    PYTHONPATH=tests python benchmarks/off_policy.py [RUNS] [--json]

Made-up slates (tests/featurestore/experiments/factories_slates.py): a policy draws three of twelve
entities one after the other; targets are at growing distances from it. The truth is the mean of
400,000 slates of the target's own. 2,000 pages a log, of 1,000 users.
"""

import json
import sys

import numpy as np
from featurestore.experiments.factories_slates import Slates

from pagecast.featurestore.experiments.off_policy import estimate_off_policy

SEED, PAGES = 5, 2_000
DISTANCES = (0.2, 0.5, 1.0, 1.5, 2.0, 3.0)


def run(distance: float, runs: int) -> list[dict[str, object]]:
    slates = Slates(seed=SEED, distance=distance)
    truth = slates.truth()
    found = [estimate_off_policy(slates.log(PAGES, number)) for number in range(runs)]
    rows = []
    for number, name in enumerate(one.estimator for one in found[0].estimates):
        estimates = [report.estimates[number] for report in found]
        values = np.array([one.value for one in estimates])
        rows.append(
            {
                "distance": distance,
                "truth": truth,
                "estimator": name,
                "inside": sum(truth in one.interval for one in estimates) / runs,
                "bias": float(values.mean() - truth),
                "deviation": float(values.std()),
                "effective": float(np.median([report.effective for report in found])),
                "warned": sum(bool(report.warnings) for report in found) / runs,
                "inside_unwarned": _share(
                    [truth in r.estimates[number].interval for r in found if not r.warnings]
                ),
            }
        )
    return rows


def _share(values: list[bool]) -> float | None:
    return sum(values) / len(values) if values else None


def main() -> None:
    arguments = [argument for argument in sys.argv[1:] if argument != "--json"]
    runs = int(arguments[0]) if arguments else 100
    rows = [row for distance in DISTANCES for row in run(distance, runs)]
    if "--json" in sys.argv:
        print(json.dumps({"seed": SEED, "pages": PAGES, "runs": runs, "rows": rows}))
        return
    print(" | ".join(rows[0]))
    for row in rows:
        print(" | ".join(f"{v:.3f}" if isinstance(v, float) else str(v) for v in row.values()))


if __name__ == "__main__":
    main()
