"""Checkpoints of the trainings of `pagecast bench align`: an interrupted run loses seconds of one.

Pretraining is most of what a seed costs, and all contenders of the seed begin with it, so it stays.
What only one cell needs goes when the cell is done.
"""

import re
import shutil
from hashlib import sha256
from pathlib import Path


class KeptTrainings:
    """Folders of checkpoints for all seeds; without a folder nothing is kept.

    A finished training leaves its last checkpoint, from which it finishes again within seconds.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._own: list[Path] = []

    def shared(self, name: str, of: object) -> Path | None:
        """For a training that several cells begin with; `of` is all that it depends on."""
        return None if self._folder is None else self._folder / _place(name, of)

    def own(self, name: str, of: object) -> Path | None:
        """For a training of the cell that is being measured."""
        place = self.shared(name, of)
        if place is not None:
            self._own.append(place)
        return place

    def cell_done(self) -> None:
        """Removes its own trainings: its figures are kept, so nobody needs them again."""
        for place in self._own:
            shutil.rmtree(place, ignore_errors=True)
        self._own = []


def _place(name: str, of: object) -> str:
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower())
    return f"{plain}-{sha256(repr(of).encode()).hexdigest()[:12]}"
