"""An ONNX graph in onnxruntime, run by names."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnxruntime

from pagecast.engine.bundles.manifest import DecodeWeights
from pagecast.engine.errors import BundleError, EngineError
from pagecast.engine.providers import Provider, why_missing

Array = npt.NDArray[np.generic]
FloatArray = npt.NDArray[np.float32]

# onnxruntime reads this when a session is made. Its flash attention makes a step no cheaper and a
# chunk of 64 positions a quarter dearer (docs/adr/0012).
os.environ.setdefault("ORT_GQA_DISABLE_FLASH_ATTENTION", "1")

THREADS_PER_RUN = 1
"""Measured with two, onnxruntime burned a core by spinning (docs/facts.md)."""

LOG_ERRORS_ONLY = 3

NO_TABLES: Mapping[str, Array] = {}


@dataclass(frozen=True, kw_only=True)
class EngineConfig:
    """Where graphs run, and in which form."""

    provider: Provider = Provider.CPU
    """What runs the graphs; it must really be usable (`providers.usable_provider`)."""

    decode_weights: DecodeWeights = DecodeWeights.FP32
    """Which form of a bundle's decode graph is loaded; the other one is not."""


class Graph:
    """A loaded graph. `run` releases the GIL and may be called by several threads at once."""

    def __init__(
        self,
        name: str,
        data: bytes,
        config: EngineConfig,
        tables: Mapping[str, Array] = NO_TABLES,
    ) -> None:
        """`tables` are those that the graph names but `data` does not hold; they are used in place.
        Raises BundleError if onnxruntime refuses the graph or lacks the provider."""
        self.name = name
        self._tables = dict(tables)  # onnxruntime does not own them
        self.provider = wanted = config.provider
        if wanted.onnxruntime_name not in onnxruntime.get_available_providers():
            raise BundleError(f"{name}: {why_missing(wanted)}")
        try:
            self._session = onnxruntime.InferenceSession(
                data, _session_options(self._tables), providers=wanted.sessions
            )
        except Exception as error:  # onnxruntime's exceptions share no base class
            raise BundleError(f"{name}: onnxruntime refuses it: {error}") from error
        # A provider that fails to start is replaced by the CPU with no more than a log line.
        if self._session.get_providers()[0] != wanted.onnxruntime_name:
            raise BundleError(f"{name}: {wanted.onnxruntime_name} does not start here")
        self.inputs: dict[str, list[int | str | None]] = {
            each.name: each.shape for each in self._session.get_inputs()
        }
        self.outputs: dict[str, list[int | str | None]] = {
            each.name: each.shape for each in self._session.get_outputs()
        }

    def run(self, inputs: Mapping[str, Array]) -> dict[str, FloatArray]:
        """Runs the graph; outputs by name. Raises EngineError if onnxruntime cannot."""
        try:
            outputs = self._session.run(list(self.outputs), dict(inputs))
        except Exception as error:
            raise EngineError(f"{self.name}: {error}") from error
        return dict(zip(self.outputs, outputs, strict=True))

    def binding(self) -> "Binding":
        """A binding with nothing bound yet."""
        return Binding(self._session.io_binding())

    def run_bound(self, binding: "Binding") -> None:
        """Runs the graph on what is bound. Raises EngineError if onnxruntime cannot."""
        try:
            self._session.run_with_iobinding(binding.io)
        except Exception as error:
            raise EngineError(f"{self.name}: {error}") from error


class Binding:
    """Inputs and outputs of a graph as places in memory, read and written by every run.

    Arrays must be contiguous and outlive the binding; for each name the newest array counts.
    """

    def __init__(self, io: onnxruntime.IOBinding) -> None:
        self.io = io

    def take(self, name: str, array: Array) -> None:
        """The graph reads an input from here."""
        place = (array.dtype, array.shape, array.ctypes.data)
        self.io.bind_input(name, "cpu", 0, *place)

    def give(self, name: str, array: Array) -> None:
        """The graph writes an output to here."""
        place = (array.dtype, array.shape, array.ctypes.data)
        self.io.bind_output(name, "cpu", 0, *place)


def _session_options(tables: Mapping[str, Array]) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    if tables:
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(table) for table in tables.values()]
        options.add_external_initializers(list(tables), values)
    options.intra_op_num_threads = THREADS_PER_RUN
    options.inter_op_num_threads = THREADS_PER_RUN
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    # It would keep one memory pattern per input shape, and every step of a page has another shape.
    options.enable_mem_pattern = False
    options.log_severity_level = LOG_ERRORS_ONLY
    return options
