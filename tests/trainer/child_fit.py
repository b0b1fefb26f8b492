"""A training in a process of its own: `child_fit.py STATE OUT EPOCHS DROPOUT [CHECKPOINTS]`.

Says each step's number and losses, a line each, and writes the weights to OUT. Under torchrun, or
with torchrun's variables in the environment, it is one of several processes.
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
from pagecast.trainer.data import build_dataset
from pagecast.trainer.fit import FitProgress, fit
from pagecast.trainer.processes import process_group


def main(state: str, out: str, epochs: str, dropout: str, checkpoints: str = "") -> None:
    torch.set_num_threads(1)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    config = dataclasses.replace(
        SMALL, epochs=float(epochs), dropout=float(dropout), checkpoint_every_s=0.0
    )
    paths = StatePaths(root=Path(state))
    users = replayed(OfflineLog(paths.offline).read())
    data = build_dataset(read_catalog(paths), users, config.engagement)
    with process_group() as processes:
        folder = Path(checkpoints) if checkpoints else None
        result = fit(data, page_builder(data, config), config, _say, folder)
        own = Path(out).with_suffix(f".{processes.rank}")
    own.write_bytes(save(result.model.state_dict()))


def _say(at: FitProgress) -> None:
    sys.stdout.write(f"{at.step} {at.entity_loss!r} {at.row_loss!r} {at.padding!r}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
