"""Where graphs run: on the CPU, or on a GPU through onnxruntime's CUDA provider.

onnxruntime falls back to the CPU, with no more than a log line, if a provider does not start
(docs/serving.md, "On a GPU"): so it is asked which one it has taken.
"""

from enum import StrEnum

import onnxruntime
import structlog

from pagecast.engine.errors import EngineError

_log = structlog.get_logger(__name__)

LOG_FATAL_ONLY = 4

_PROBE = bytes.fromhex(
    "08083a3b0a100a0178120179" + b"\x22\x08Identity\x12\x05probe".hex()
    # Its input and its output: a float of shape [1].
    + "5a0f0a0178120a0a08080112040a020801620f0a0179120a0a08080112040a02080142021014"
)  # fmt: skip
"""The smallest ONNX model, y = Identity(x): a server has no `onnx` to make one with."""


class ProviderMissingError(EngineError):
    """The provider that was asked for does not run here; the message names the remedy."""


class Provider(StrEnum):
    """What runs a bundle's graphs."""

    CPU = "cpu"
    CUDA = "cuda"
    """Nobody has run it on a GPU yet (docs/serving.md)."""

    @property
    def onnxruntime_name(self) -> str:
        return f"{self.name}ExecutionProvider"

    @property
    def sessions(self) -> list[str | tuple[str, dict[str, str]]]:
        """What a session is made with. The CPU takes the operators that a GPU has no kernel for.

        TF32 would round products to 10 bits, which a bundle's canary does not tolerate.
        """
        if self is Provider.CPU:
            return [self.onnxruntime_name]
        return [(self.onnxruntime_name, {"use_tf32": "0"}), Provider.CPU.onnxruntime_name]


def usable_provider(wanted: Provider, *, fallback: bool) -> Provider:
    """`wanted` if it runs here; otherwise, with `fallback`, the CPU and a warning.

    Raises ProviderMissingError without `fallback`.
    """
    reason = why_missing(wanted)
    if not reason:
        return wanted
    if not fallback:
        raise ProviderMissingError(
            f"provider {wanted}: {reason}; or choose provider cpu, or set provider_fallback"
        )
    _log.warning("provider_missing", provider=wanted.value, reason=reason, runs_on="cpu")
    return Provider.CPU


def why_missing(provider: Provider) -> str:
    """Why the provider cannot be used here, and what would help; "" if it can."""
    name = provider.onnxruntime_name
    if name not in onnxruntime.get_available_providers():
        return (
            f"onnxruntime has no {name} here: install onnxruntime-gpu (extra `gpu`) in place of"
            " onnxruntime"
        )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = LOG_FATAL_ONLY
    try:
        session = onnxruntime.InferenceSession(_PROBE, options, providers=provider.sessions)
    except Exception as error:  # onnxruntime's exceptions share no base class
        return f"{name} does not start: {error}"
    if session.get_providers()[0] != name:
        return f"{name} does not start here: look for the driver and the CUDA and cuDNN libraries"
    return ""
