"""A checkpoint without a training."""

import numpy as np
import torch
from pydantic import JsonValue, TypeAdapter

from pagecast.trainer.batches.epochs import Place
from pagecast.trainer.fitting.checkpoint import Checkpoint, Facts


def checkpoint_of(step: int) -> Checkpoint:
    state = TypeAdapter(dict[str, JsonValue]).validate_python(
        np.random.default_rng(step).bit_generator.state
    )
    return Checkpoint(
        facts=Facts(
            identity={"config.seed": 1},
            step=step,
            seconds=0.1 + step,
            place=Place(begin=state, batches=2, now=state),
            totals={"tokens": 10.0, "entity_loss": 1 / 3},
        ),
        tensors={"model.weight": torch.arange(6.0).view(2, 3), "step": torch.tensor(3.0)},
    )
