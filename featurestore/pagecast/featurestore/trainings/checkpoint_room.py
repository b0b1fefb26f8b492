"""Makes room on disk: removes checkpoints of trainings that nobody will go on with."""

import shutil
from pathlib import Path

from pagecast.featurestore.trainings.trainings import Trainings


def free_checkpoints(trainings: Trainings, folder: Path) -> tuple[int, ...]:
    """Removes the folders, named by ids, of trainings that have ended; returns the ids.

    A folder that could not be removed entirely is among them, and is tried again the next time.

    A training that failed or was cancelled leaves its folder to whoever makes room next.
    """
    found = {int(path.name): path for path in folder.glob("*") if path.name.isdecimal()}
    removed = sorted(trainings.ended(found)) if found else []
    for training_id in removed:
        shutil.rmtree(found[training_id], ignore_errors=True)
    return tuple(removed)
