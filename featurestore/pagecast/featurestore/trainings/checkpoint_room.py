"""Makes room on disk: checkpoints of trainings that nobody goes on with any more."""

import shutil
from pathlib import Path

from pagecast.featurestore.trainings.trainings import Trainings


def free_checkpoints(trainings: Trainings, folder: Path) -> tuple[int, ...]:
    """Removes the folders of trainings that have ended, named by their ids; returns the ids.

    One of which something could not be removed is among them, and is tried again the next time.

    What failed or was cancelled leaves its folder to whoever makes room next.
    """
    found = {int(path.name): path for path in folder.glob("*") if path.name.isdecimal()}
    removed = sorted(trainings.ended(found)) if found else []
    for training_id in removed:
        shutil.rmtree(found[training_id], ignore_errors=True)
    return tuple(removed)
