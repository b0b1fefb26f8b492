"""The processes that train one model together, each on its share of every batch."""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, distributed


class Processes:
    """What the members of torch's process group, if there is one, do together.

    Every member calls the same methods in the same order. A process on its own pays for nothing.

    Gradients are summed by hand, not by DistributedDataParallel: that wants the whole forward pass
    in one module's call, the same parameters in every pass, and divides by the number of members.
    Here entities are embedded beside the decoder, a share can be empty, and losses are weighted
    sums. All it would add is the exchange of gradients during the backward pass.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """`now` is what `clock` reads, in the first process."""
        self._now = now
        grouped = distributed.is_available() and distributed.is_initialized()
        self.rank = distributed.get_rank() if grouped else 0
        self.count = distributed.get_world_size() if grouped else 1
        self._time_s = 0.0
        self.tick()

    @property
    def first(self) -> bool:
        """Only the first writes: checkpoints, bundles, the terminal."""
        return self.rank == 0

    @property
    def share(self) -> slice:
        """This process's share of a list: the shares of all are the list."""
        return slice(self.rank, None, self.count)

    def tick(self) -> None:
        """Sets every clock to the first process's."""
        if self.count > 1:
            time_1 = torch.tensor([self._now()], dtype=torch.float64)
            distributed.broadcast(time_1, src=0)
            self._time_s = float(time_1)

    def clock(self) -> float:
        """Seconds, the same in all processes: as of the last tick, unless alone."""
        return self._time_s if self.count > 1 else self._now()

    def summed(self, values: Mapping[str, float]) -> dict[str, float]:
        """Sums numbers over the processes, by name."""
        if self.count == 1:
            return dict(values)
        sums_N = torch.tensor(list(values.values()), dtype=torch.float64)
        distributed.all_reduce(sums_N)
        return dict(zip(values, sums_N.tolist(), strict=True))

    def sum_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Sums gradients over the processes; one that has none of its own adds zeros.

        Where no process has a gradient there is none afterwards either: given zeros, AdamW would
        still decay the weight.
        """
        if self.count == 1:
            return
        members = list(parameters)
        has_P = torch.tensor([float(p.grad is not None) for p in members])
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in members]
        flat_X = torch.cat([has_P.to(members[0]), *(g.flatten() for g in gradients)])
        distributed.all_reduce(flat_X)
        has_P, *parts = flat_X.split([len(members), *(p.numel() for p in members)])
        for parameter, part, has in zip(members, parts, has_P.tolist(), strict=True):
            parameter.grad = part.view_as(parameter) if has else None

    def sum_sparse_gradients(self, tables: Iterable[Tensor]) -> None:
        """Sums gradients that hold some rows of a table; only those are exchanged.

        gloo sums sparse tensors itself: each process gets the rows of all.
        """
        if self.count == 1:
            return
        for table in tables:
            own = table.grad
            if own is None:
                own = torch.sparse_coo_tensor(
                    torch.empty(1, 0, dtype=torch.long),
                    table.new_empty(0, table.shape[1]),
                    table.shape,
                    check_invariants=False,
                )
            summed = own.coalesce()
            distributed.all_reduce(summed)
            table.grad = summed.coalesce() if summed._nnz() else None

    def gathered(self, own_N: Tensor) -> Tensor:
        """`all_WN`: one row of each of W processes."""
        if self.count == 1:
            return own_N[None]
        rows = [torch.empty_like(own_N) for _ in range(self.count)]
        distributed.all_gather(rows, own_N)
        return torch.stack(rows)

    def from_first(self, data: bytes) -> bytes:
        """The first process's bytes, in every process; what the others bring is ignored."""
        if self.count == 1:
            return data
        size_1 = torch.tensor([len(data)])
        distributed.broadcast(size_1, src=0)
        bytes_N = torch.empty(int(size_1), dtype=torch.uint8)
        if self.first and data:
            bytes_N = torch.frombuffer(bytearray(data), dtype=torch.uint8)
        distributed.broadcast(bytes_N, src=0)
        return bytes_N.numpy().tobytes()


@contextmanager
def process_group() -> Iterator[Processes]:
    """Joins the group torchrun has begun, if it has: gloo between CPUs, nccl between GPUs."""
    if not distributed.is_available() or "TORCHELASTIC_RUN_ID" not in os.environ:
        yield Processes()
        return
    distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield Processes()
    finally:
        distributed.destroy_process_group()
