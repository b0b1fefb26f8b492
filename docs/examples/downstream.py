"""Trains a model of yours through Pagecast's encoders.

    python docs/examples/downstream.py BUNDLE ROWS [--state-dir .pagecast] [--steps 20]

BUNDLE is the directory of a model (`pagecast models show` names its version), ROWS are JSON lines
or Parquet with `user_id`, `at` and a binary `label`, as `pagecast train --task` takes them. The
model is a small network on the user encoder; its gradients reach the encoder's own weights.
"""

import argparse
import json
from pathlib import Path

import torch
from torch import Tensor, nn

from pagecast.engine.vectors.stabilisation import load_stabilisation
from pagecast.featurestore.state import StatePaths
from pagecast.trainer.data.dataset import catalog_features
from pagecast.trainer.data.snapshot import Source
from pagecast.trainer.export.bundle import load_model
from pagecast.trainer.network.encoders import UserEncoder
from pagecast.trainer.tasks.prompts import padded, prompts_of
from pagecast.trainer.tasks.rows import read_task

ROWS_TOGETHER = 32
"""Rows of an optimiser step."""


class YourModel(nn.Module):
    """Whatever you like, built on a part that knows what people watch."""

    def __init__(self, users: UserEncoder, hidden: int = 16) -> None:
        super().__init__()
        self.users = users
        width = users.user_OP.shape[1]
        self.own = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def forward(self, entity_BTD: Tensor, fields_BTF: Tensor, length_B: Tensor) -> Tensor:
        logit_B1: Tensor = self.own(self.users(entity_BTD, fields_BTF, length_B))
        return logit_B1[:, 0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("rows", type=Path)
    parser.add_argument("--state-dir", type=Path, default=Path(".pagecast"))
    parser.add_argument("--steps", type=int, default=20)
    asked = parser.parse_args()
    torch.manual_seed(0)
    model, vocabulary, _ = load_model(asked.bundle)
    source, task = Source(paths=StatePaths(root=asked.state_dir)), read_task(asked.rows)
    catalog = source.read_catalog()
    prompts = prompts_of(source, task.rows, catalog, vocabulary)
    features = catalog_features(catalog, vocabulary)
    label_X = torch.from_numpy(task.label_X)
    yours = YourModel(UserEncoder(model, vocabulary, load_stabilisation(asked.bundle)))
    descent = torch.optim.AdamW(
        [
            {"params": yours.users.parameters(), "lr": 1e-4},
            {"params": yours.own.parameters(), "lr": 1e-2},
        ]
    )
    losses = []
    for _ in range(asked.steps):
        rows_B = torch.randint(len(label_X), (ROWS_TOGETHER,))
        together = [prompts.prompts[prompts.prompt_X[row]] for row in rows_B.tolist()]
        input_ED, _ = model.embed_entities(features)
        logit_B = yours(*padded(together, input_ED))
        loss = nn.functional.binary_cross_entropy_with_logits(logit_B, label_X[rows_B])
        descent.zero_grad()
        loss.backward()
        descent.step()
        losses.append(round(loss.item(), 4))
    print(json.dumps({"loss_first": losses[0], "loss_last": losses[-1]}))


if __name__ == "__main__":
    main()
