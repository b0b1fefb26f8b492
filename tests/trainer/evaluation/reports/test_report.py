import json
from dataclasses import replace
from typing import Any

from trainer.evaluation.factories_report import REPORT, SYSTEM, both


def told(**changes: Any) -> Any:
    """The JSON of a system."""
    report = replace(REPORT, systems=(replace(SYSTEM, **changes),))
    return json.loads(json.dumps(report.to_json(), allow_nan=False))["systems"][0]


def test_the_shape_is_the_documented_one() -> None:
    document: Any = REPORT.to_json()
    assert {"protocol", "data", "split_sha256", "systems"} <= set(document)
    figures = {
        "ndcg_at_10": 0.125,
        "hr_at_10": 0.3,
        "mrr": 0.2,
        "ndcg_at_10_interval": [0.115, 0.135],
    }
    system = told()
    assert system["masked"] == system["unmasked"] == figures
    assert (system["cpu_seconds"], system["chosen"]) == (1.5, {"lambda": 100.0})
    assert system["slices"] == {"new users": {"targets": 0, "ndcg_at_10": None}}
    assert system["difference"] == {
        "to": "ease-recency",
        "ndcg_at_10": 0.02,
        "interval": [0.01, 0.03],
        "significant": True,
    }


def test_one_delay_is_no_curve_and_one_seed_no_list() -> None:
    assert "staleness" not in told()
    assert "seeds" not in told()
    assert "difference" not in told(difference=None)


def test_delays_and_seeds_have_figures_of_their_own() -> None:
    system = told(staleness={0.0: both(0.125), 5.0: both(0.1)}, seeds={3: both(0.1), 4: both(0.2)})
    assert [at["seconds"] for at in system["staleness"]] == [0.0, 5.0]
    assert system["staleness"][1]["masked"]["ndcg_at_10"] == 0.1
    assert [run["seed"] for run in system["seeds"]] == [3, 4]
