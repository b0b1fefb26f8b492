"""What the server's metrics name, however long it runs."""

from pagecast.server.metrics import Metrics


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
