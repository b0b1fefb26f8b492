"""Providers that run graphs are named, and really there."""

from collections.abc import Sequence

import onnx
import onnxruntime
import pytest
from structlog.testing import capture_logs

from pagecast.engine import providers
from pagecast.engine.providers import (
    Provider,
    ProviderMissingError,
    usable_provider,
    why_missing,
)

ON_A_GPU = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
without_gpu = pytest.mark.skipif(ON_A_GPU, reason="onnxruntime-gpu is installed")


class OnTheCpu:
    """A session as onnxruntime-gpu makes it where CUDA's libraries are missing."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def get_providers(self) -> Sequence[str]:
        return ["CPUExecutionProvider"]


def test_the_probe_is_a_model() -> None:
    model = onnx.load_from_string(providers._PROBE)
    onnx.checker.check_model(model)
    assert [node.op_type for node in model.graph.node] == ["Identity"]


def test_the_cpu_is_always_there() -> None:
    assert why_missing(Provider.CPU) == ""
    assert usable_provider(Provider.CPU, fallback=False) is Provider.CPU


@without_gpu
def test_a_provider_that_is_not_installed_is_refused_with_the_remedy() -> None:
    with pytest.raises(ProviderMissingError, match=r"^provider cuda: .* install onnxruntime-gpu"):
        usable_provider(Provider.CUDA, fallback=False)


@without_gpu
def test_a_provider_that_is_not_installed_gives_way_to_the_cpu_with_a_warning() -> None:
    with capture_logs() as logs:
        assert usable_provider(Provider.CUDA, fallback=True) is Provider.CPU
    (told,) = logs
    assert (told["event"], told["log_level"]) == ("provider_missing", "warning")
    assert (told["provider"], told["runs_on"]) == ("cuda", "cpu")
    assert "onnxruntime-gpu" in told["reason"]


def test_a_provider_that_is_installed_and_does_not_start_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """onnxruntime itself takes the CPU with no more than a log line."""
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "InferenceSession", OnTheCpu)
    with pytest.raises(ProviderMissingError, match="does not start here: look for the driver"):
        usable_provider(Provider.CUDA, fallback=False)
