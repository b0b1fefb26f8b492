"""Trainings of one of several processes: `child_group.py STATE OUT`.

The first process says each step's losses; every process writes its weights below OUT.
"""

import dataclasses
import json
import sys
from pathlib import Path

import structlog
import torch
from safetensors.torch import save
from trainer.child_fit import read, say
from trainer.factories_trainer import SMALL, page_builder

from pagecast.trainer.config import ObjectiveConfig, TrainConfig
from pagecast.trainer.data.dataset import Dataset
from pagecast.trainer.fitting.checkpoint import Checkpoint
from pagecast.trainer.fitting.fit import fit
from pagecast.trainer.fitting.processes import Processes, process_group
from pagecast.trainer.fitting.run import Run
from pagecast.trainer.network.model import PageModel
from pagecast.trainer.page_config import PostTrainConfig

BRIEF = dataclasses.replace(SMALL, epochs=3.0, step_dropout=0.0, checkpoint_every_s=3600.0)

LONELY = dataclasses.replace(BRIEF, positions_per_batch=1, epochs=0.15)
"""A window a batch: one of two processes has nothing to do."""

SAMPLED = dataclasses.replace(
    BRIEF, positions_per_batch=128, epochs=0.3, objective=ObjectiveConfig(negatives=4)
)
"""Each process with the entities of its own windows."""

POST = dataclasses.replace(BRIEF, epochs=1.6, post=PostTrainConfig(share=0.5))
"""Half of it is post-training, with negatives drawn at random."""

DROPPED = dataclasses.replace(BRIEF, epochs=2.0, dropout=0.3)

STEPS_BEFORE = 4
"""Of a training that is resumed."""


def main(state: str, out: str) -> None:
    torch.set_num_threads(1)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    data = read(Path(state), SMALL)
    with process_group() as processes:
        own = Path(out) / str(processes.rank)
        result = fit(data, page_builder(data, BRIEF), BRIEF, say, own / "checkpoints")
        _write(own / "brief", result.model)
        lonely = fit(data, page_builder(data, LONELY), LONELY)
        _write(own / "lonely", lonely.model)
        post = fit(data, page_builder(data, POST), POST)
        _write(own / "post", post.model)
        whole = _run(data, DROPPED, processes)
        for _ in range(STEPS_BEFORE):
            whole.step()
        kept = processes.from_first(whole.checkpoint().to_bytes())
        _finish(own / "whole", whole)
        resumed = _run(data, DROPPED, processes)
        resumed.resume(Checkpoint.from_bytes(kept))
        _finish(own / "resumed", resumed)
        sys.stdout.write(_refusal(data, processes))
        (own / "gradients").write_text(json.dumps(_gradients(processes)))
        (own / "sparse").write_text(json.dumps(_sparse_gradients(processes)))
        sampled = fit(data, page_builder(data, SAMPLED), SAMPLED)
        _write(own / "sampled", sampled.model)


def _run(data: Dataset, config: TrainConfig, processes: Processes) -> Run:
    return Run(data, page_builder(data, config), config, processes)


def _finish(path: Path, run: Run) -> None:
    while not run.schedule.done:
        run.step()
    _write(path, run.model)


def _write(path: Path, model: PageModel) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(save(model.state_dict()))


def _gradients(processes: Processes) -> list[list[float] | None]:
    """Summed: of a weight that both have one of, that the first alone has, that nobody has."""
    both, first, nobody = (torch.nn.Parameter(torch.zeros(2)) for _ in range(3))
    both.grad = torch.tensor([1.0, 10.0]) * (1 + processes.rank)
    first.grad = torch.tensor([5.0, 6.0]) if processes.first else None
    processes.sum_gradients([both, first, nobody])
    return [None if p.grad is None else p.grad.tolist() for p in (both, first, nobody)]


def _sparse_gradients(processes: Processes) -> list[list[list[float]] | None]:
    """The same of rows of tables: both processes' rows overlap in the second one."""
    both, first, nobody = (torch.nn.Parameter(torch.zeros(4, 1)) for _ in range(3))
    own = [0, 1] if processes.first else [1, 3]
    both.grad = torch.sparse_coo_tensor([own], [[1.0], [2.0]], (4, 1))
    if processes.first:
        first.grad = torch.sparse_coo_tensor([[2, 2]], [[5.0], [6.0]], (4, 1))
    processes.sum_sparse_gradients([both, first, nobody])
    return [None if p.grad is None else p.grad.to_dense().tolist() for p in (both, first, nobody)]


def _refusal(data: Dataset, processes: Processes) -> str:
    """What is said if each process has a seed of its own."""
    try:
        _run(data, dataclasses.replace(BRIEF, seed=processes.rank), processes)
    except ValueError as error:
        return f"{error}\n"
    return "nothing\n"


if __name__ == "__main__":
    main(*sys.argv[1:])
