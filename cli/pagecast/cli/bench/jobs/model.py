"""Measures one cell of `pagecast bench model`, on one core."""

import json
import pickle
import sys
import time
from pathlib import Path

import torch

from pagecast.trainer.benchmarks.cells import Cell
from pagecast.trainer.benchmarks.measure import measure

TOLD_EVERY_S = 0.5


def main() -> None:
    """Writes the figures to the file `result`, and the share done to `progress` now and then.

    Settings: cell; data: what the front door pickled of this cell's reading; result; progress.
    """
    settings = json.loads(sys.argv[1])
    torch.set_num_threads(1)
    data = pickle.loads(Path(settings["data"]).read_bytes())
    told = _Told(Path(settings["progress"]))
    figures = measure(Cell.from_json(settings["cell"]), data, told.tell)
    Path(settings["result"]).write_text(json.dumps(figures))


class _Told:
    def __init__(self, path: Path) -> None:
        self._path, self._next_s = path, 0.0

    def tell(self, share: float) -> None:
        now_s = time.monotonic()
        if now_s >= self._next_s:
            self._next_s = now_s + TOLD_EVERY_S
            self._path.write_text(f"{share:.4f}")


if __name__ == "__main__":
    main()
