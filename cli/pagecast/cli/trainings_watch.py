"""Follows a training from the terminal."""

import time

from rich.console import Console
from sqlalchemy.exc import InterfaceError, OperationalError

from pagecast.cli.progress import progress_bar
from pagecast.cli.trainings_view import line_of
from pagecast.featurestore.trainings.records import Training
from pagecast.featurestore.trainings.trainings import Trainings

PERIOD_S = 0.5
"""A trainer records its progress every second."""


def follow(trainings: Trainings, request_id: str, console: Console) -> Training:
    """Shows a bar until the training has ended. Raises TrainingUnknown.

    Waits for a database that is away for a moment.
    """
    training = trainings.get(request_id)
    with progress_bar(console) as bar:
        task = bar.add_task(training.state.value, total=1.0, note="")
        while not training.state.ended:
            time.sleep(PERIOD_S)
            try:
                training = trainings.get(request_id)
            except (OperationalError, InterfaceError) as error:
                bar.update(task, note=f"the database does not answer: {error.orig}")
                continue
            at = training.progress
            bar.update(
                task,
                description=training.state.value,
                completed=0.0 if at is None else at.share_done,
                note="" if at is None else line_of(at),
            )
    return training
