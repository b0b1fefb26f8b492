"""The names in the server's metrics stay bounded, however long it runs."""

from pathlib import Path

from pagecast.engine.batching.prefix_cache import PrefixCache
from pagecast.server.metrics import Metrics

DOCUMENT = (Path(__file__).parents[2] / "docs" / "serving.md").read_text("utf-8")


def named(metrics: Metrics) -> dict[str, float]:
    """Value of `pagecast_model_info` by version."""
    [family] = metrics.model_info.collect()
    return {sample.labels["version"]: sample.value for sample in family.samples}


def test_the_model_that_serves_is_named_with_the_one_before_and_no_other() -> None:
    metrics = Metrics()
    metrics.name_model("")
    assert named(metrics) == {}
    metrics.name_model("v1")
    metrics.name_model("v2")
    assert named(metrics) == {"v1": 0, "v2": 1}
    metrics.name_model("v3")
    assert named(metrics) == {"v2": 0, "v3": 1}
    metrics.name_model("v2")
    metrics.name_model("v2")
    assert named(metrics) == {"v3": 0, "v2": 1}
    metrics.name_model("")
    assert named(metrics) == {"v3": 0, "v2": 0}
    metrics.name_model("v4")
    assert named(metrics) == {"v2": 0, "v4": 1}


def test_the_document_says_what_each_metric_tells() -> None:
    metrics = Metrics()
    metrics.follow_slots(lambda: 0, lambda: 0)
    metrics.follow_browses(lambda: 0)
    metrics.follow_predictions(lambda: 0)
    metrics.follow_prefixes(PrefixCache(0))
    metrics.follow_publisher(lambda: 0)
    names = {family.name for family in metrics.registry.collect()}
    ours = {name for name in names if name.startswith("pagecast_")}
    watched = DOCUMENT.partition("## What to watch")[2]
    assert {name for name in ours if f"`{name}" not in watched} == set()
