"""Checkpoints: a training between two steps, as a safetensors file.

Numbers and names are JSON in the file's metadata, everything else is tensors: no pickle anywhere,
so that a file from elsewhere can be wrong but cannot run code.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import structlog
from pydantic import JsonValue, TypeAdapter
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from pagecast.featurestore.offline.files import sweep, sync, writing
from pagecast.trainer.batches.epochs import Place

KEPT_MAX = 2
"""Checkpoints of a folder: the one before the newest serves if the newest cannot be read."""

_METADATA = "pagecast.checkpoint.1"
"""The key of the metadata; the number is the format's and grows with it."""

_FILES = "step-*.safetensors"

_log = structlog.get_logger(__name__)


class CheckpointError(ValueError):
    """A checkpoint cannot be resumed: it is damaged, or another training's."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a checkpoint tells in numbers and names.

    `identity` says which training it is of (module `identity`), `seconds` what its steps have
    taken, `totals` are the meter's, `post` says whether post-training has begun.
    """

    identity: Mapping[str, JsonValue]
    step: int
    seconds: float
    place: Place
    totals: Mapping[str, float]
    post: bool = False


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Everything a step changes; tensors are weights, AdamW's state and torch's generators."""

    facts: Facts
    tensors: Mapping[str, Tensor]

    def to_bytes(self) -> bytes:
        tensors = {name: tensor.contiguous() for name, tensor in self.tensors.items()}
        return save(tensors, {_METADATA: json.dumps(asdict(self.facts))})

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Raises CheckpointError for anything but a whole checkpoint of this format."""
        try:
            tensors = load(data)
            facts = _FACTS.validate_python(json.loads(_metadata(data)[_METADATA]))
        except KeyError as error:
            raise CheckpointError(f"not of this format: {error} is missing") from error
        except (SafetensorError, ValueError) as error:
            raise CheckpointError(f"damaged: {error}") from error
        return cls(facts=facts, tensors=tensors)


_FACTS = TypeAdapter(Facts)


class Checkpoints:
    """The checkpoints of one training, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, checkpoint: Checkpoint) -> Path:
        """Writes a file that appears whole or not at all, and durably; the two newest stay.

        Raises OSError, and then leaves the earlier checkpoints in place.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"step-{checkpoint.facts.step:012d}.safetensors"
        with writing(path) as file:
            file.write(checkpoint.to_bytes())
        sync(self._folder)
        # A file of a later step is damaged: this training resumed from an earlier one.
        older = [other for other in self._newest_first() if other.name < path.name]
        for other in set(self._newest_first()) - {path, *older[: KEPT_MAX - 1]}:
            other.unlink()
        return path

    def newest(self) -> bytes:
        """The newest checkpoint that is whole; nothing if there is no file.

        Says so if that is not the newest file. Raises CheckpointError if no file is whole.
        """
        if self._folder.exists():
            sweep(self._folder)
        damaged = []
        for path in self._newest_first():
            data = path.read_bytes()
            try:
                Checkpoint.from_bytes(data)
            except CheckpointError as error:
                damaged.append(f"{path}: {error}")
                _log.warning("checkpoint_damaged", path=str(path), reason=str(error))
            else:
                return data
        if damaged:
            raise CheckpointError("; ".join(damaged))
        return b""

    def clear(self) -> None:
        """Removes them all: the training is over, or begins anew."""
        for path in self._newest_first():
            path.unlink()

    def _newest_first(self) -> list[Path]:
        return sorted(self._folder.glob(_FILES), reverse=True)


def _metadata(data: bytes) -> dict[str, str]:
    """safetensors: eight bytes of length, little-endian, then that much JSON."""
    length = int.from_bytes(data[:8], "little")
    metadata: dict[str, str] = json.loads(data[8 : 8 + length]).get("__metadata__", {})
    return metadata
