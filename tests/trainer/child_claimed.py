"""A claimed training in a process of its own: `child_claimed.py STATE ID ATTEMPT EPOCHS`."""

import dataclasses
import sys
from pathlib import Path

import torch
from trainer.factories_claimed import BRIEF, claimed_training

from pagecast.featurestore.database import connect
from pagecast.featurestore.state import StatePaths
from pagecast.featurestore.trainings.claims import TrainingClaims


def main(state: str, training_id: str, attempt: str, epochs: str) -> None:
    torch.set_num_threads(1)
    paths = StatePaths(root=Path(state))
    engine = connect(paths.database_url)
    claim = TrainingClaims(engine).resume(int(training_id), int(attempt))
    config = dataclasses.replace(BRIEF, epochs=float(epochs))
    claimed_training(engine, paths, claim, config).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
