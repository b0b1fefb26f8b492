"""Settings that a server refuses."""

from pathlib import Path

import pytest

from pagecast.featurestore.state import StatePaths
from pagecast.server.config import ServerConfig


def config(**changes: object) -> ServerConfig:
    return ServerConfig(state=StatePaths(root=Path("state")), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_needs_no_permission(host: str) -> None:
    assert config(host=host).host == host


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "example.org"])
def test_another_host_is_refused_unless_insecure(host: str) -> None:
    with pytest.raises(ValueError, match=r"host .* set insecure"):
        config(host=host)
    assert config(host=host, insecure=True).host == host


def test_weights_are_of_a_form_there_is() -> None:
    assert config().decode_weights == "fp32"
    assert config(decode_weights="int8").decode_weights == "int8"
    with pytest.raises(ValueError, match="decode_weights is 'int4', must be fp32 or int8"):
        config(decode_weights="int4")


def test_a_provider_is_one_there_is() -> None:
    assert config(provider="cuda").provider == "cuda"
    with pytest.raises(ValueError, match="provider is 'tpu', must be cpu or cuda"):
        config(provider="tpu")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", 65536),
        ("metrics_port", -1),
        ("slots_max", 0),
        ("waiting_max", -1),
        ("rows_default", 41),
        ("entities_default", 0),
        ("exact_entities_default", 41),
        ("grace_seconds", -0.1),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        config(**{name: value})
