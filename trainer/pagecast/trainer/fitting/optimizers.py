"""Gradients become steps: AdamW, and SparseAdam for tables of which a step moves few rows."""

from collections.abc import Callable, Iterable, Iterator, Mapping

import torch
from torch import Tensor, nn

from pagecast.trainer.config import TrainConfig
from pagecast.trainer.fitting.processes import Processes
from pagecast.trainer.network.model import PageModel
from pagecast.trainer.starts.touched import only_rows

_BETAS = (0.9, 0.98)

NO_TABLE: Mapping[Tensor, Tensor] = {}

_MOMENTS = ("step", "exp_avg", "exp_avg_sq")
"""Adam's state of a parameter."""


class Optimizers:
    """Steps all parameters of a model together, by one norm and one learning rate.

    AdamW moves and decays every number of a table, and costs as much as the table is long.
    SparseAdam, for embeddings with `sparse` set, moves the rows that a batch had: their moments
    rest in between, and there is no weight decay. Of a table in `moved`, it moves only the rows
    that are true there (`touched.touched_rows`).
    """

    def __init__(
        self, model: PageModel, config: TrainConfig, moved: Mapping[Tensor, Tensor] = NO_TABLE
    ) -> None:
        self._moved = moved
        self._names: dict[Tensor, str] = {p: name for name, p in model.named_parameters()}
        self._tables = [
            m.weight for m in model.modules() if isinstance(m, nn.Embedding) and m.sparse
        ]
        tables = {id(table) for table in self._tables}
        self._dense = [p for p in model.parameters() if id(p) not in tables]
        self._adamw = _adamw(self._dense, config)
        self._sparse_adam = None
        if self._tables:
            self._sparse_adam = torch.optim.SparseAdam(
                self._tables, lr=config.learning_rate, betas=_BETAS
            )

    def zero_grad(self) -> None:
        for optimizer in self._every():
            optimizer.zero_grad(set_to_none=True)

    def sum_gradients(self, processes: Processes) -> None:
        """Every process then has the gradients of the whole batch."""
        processes.sum_gradients(self._dense)
        processes.sum_sparse_gradients(self._tables)

    def clip(self, norm_max: float) -> None:
        """Scales all gradients down together if their norm is above the bound."""
        numbers = [p.grad for p in self._dense if p.grad is not None]
        for table in self._tables:
            if table.grad is not None:
                table.grad = table.grad.coalesce()  # a row that came twice counts as its sum
                if table in self._moved:
                    table.grad = only_rows(table.grad, self._moved[table])
                numbers.append(table.grad.values())
        norm = nn.utils.get_total_norm(numbers)
        share = (norm_max / (norm + 1e-6)).clamp(max=1.0)
        for gradient in numbers:
            gradient.mul_(share)

    def step(self, learning_rate: float) -> None:
        for optimizer in self._every():
            for group in optimizer.param_groups:
                group["lr"] = learning_rate
            optimizer.step()

    def state(self) -> dict[str, Tensor]:
        """Moments by name, to be kept: none of a parameter before its first gradient."""
        return {
            f"{kind}.{moment}.{self._names[parameter]}": torch.as_tensor(value)
            for kind, optimizer in self._by_kind().items()
            for parameter, state in optimizer.state.items()
            for moment, value in state.items()
        }

    def resume(self, tensors: Mapping[str, Tensor]) -> None:
        """Goes on with what `state` gave."""
        for kind, optimizer in self._by_kind().items():
            # SparseAdam counts in Python: a tensor would round its bias correction.
            step: Callable[[Tensor], object] = int if kind == "sparse_adam" else torch.as_tensor
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    name = self._names[parameter]
                    kept = {m: tensors.get(f"{kind}.{m}.{name}") for m in _MOMENTS}
                    if kept["step"] is not None:
                        optimizer.state[parameter] = {**kept, "step": step(kept["step"])}

    def _by_kind(self) -> dict[str, torch.optim.Optimizer]:
        kinds: dict[str, torch.optim.Optimizer] = {"adamw": self._adamw}
        if self._sparse_adam is not None:
            kinds["sparse_adam"] = self._sparse_adam
        return kinds

    def _every(self) -> Iterator[torch.optim.Optimizer]:
        yield from self._by_kind().values()


def _adamw(parameters: list[nn.Parameter], config: TrainConfig) -> torch.optim.AdamW:
    groups = decaying(parameters, config.weight_decay)
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=_BETAS)


def decaying(
    parameters: Iterable[nn.Parameter], weight_decay: float
) -> list[dict[str, list[nn.Parameter] | float]]:
    """Groups of an optimiser: norms and biases do not decay."""
    every = list(parameters)
    return [
        {"params": [p for p in every if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in every if p.ndim <= 1], "weight_decay": 0.0},
    ]
