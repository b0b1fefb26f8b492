"""`pagecast serve` says what prevents it from starting."""

import sys
from collections.abc import Iterator
from pathlib import Path

import onnxruntime
import pytest
from typer.testing import CliRunner

from pagecast.cli.exits import CommandError, InputError
from pagecast.cli.main import app


@pytest.fixture(autouse=True)
def switch_interval() -> Iterator[None]:
    """A server lowers it for its process."""
    before_s = sys.getswitchinterval()
    yield
    sys.setswitchinterval(before_s)


@pytest.mark.skipif(
    "CUDAExecutionProvider" in onnxruntime.get_available_providers(),
    reason="onnxruntime-gpu is installed",
)
def test_a_provider_that_is_missing_ends_it_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAGECAST_SERVE__PROVIDER", "cuda")
    ports = ["--port", "0", "--metrics-port", "0"]
    result = CliRunner().invoke(app, ["serve", *ports, "--state-dir", str(tmp_path)])
    assert isinstance(result.exception, CommandError)
    assert "install onnxruntime-gpu" in str(result.exception)


def test_a_provider_there_is_not_is_refused_by_name(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["serve", "--provider", "tpu", "--state-dir", str(tmp_path)])
    assert isinstance(result.exception, InputError)
    assert "serve.provider" in str(result.exception)
