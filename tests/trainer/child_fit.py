"""A training in a process of its own: `child_fit.py STATE OUT EPOCHS DROPOUT [CHECKPOINTS]`.

Says each step's number and losses, a line each, and writes the weights to OUT.
"""

import dataclasses
import sys
from pathlib import Path

import structlog
import torch
from safetensors.torch import save
from trainer.factories_trainer import SMALL, page_builder, read_catalog, replayed

from pagecast.featurestore.offline import OfflineLog
from pagecast.featurestore.state import StatePaths
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.data.dataset import Dataset, build_dataset
from pagecast.trainer.fitting.fit import FitProgress, fit


def main(state: str, out: str, epochs: str, dropout: str, checkpoints: str = "") -> None:
    torch.set_num_threads(1)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    config = dataclasses.replace(
        SMALL, epochs=float(epochs), dropout=float(dropout), checkpoint_every_s=0.0
    )
    data = read(Path(state), config)
    folder = Path(checkpoints) if checkpoints else None
    result = fit(data, page_builder(data, config), config, say, folder)
    Path(out).write_bytes(save(result.model.state_dict()))


def read(state: Path, config: TrainConfig) -> Dataset:
    paths = StatePaths(root=state)
    users = replayed(OfflineLog(paths.offline).read())
    return build_dataset(read_catalog(paths), users, config.engagement)


def say(at: FitProgress) -> None:
    sys.stdout.write(f"{at.step} {at.entity_loss!r} {at.row_loss!r} {at.padding!r}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
