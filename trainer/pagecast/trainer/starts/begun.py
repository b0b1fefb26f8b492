"""A data set as seen by a training that begins from a base."""

from dataclasses import replace

from pagecast.trainer.data.dataset import Dataset
from pagecast.trainer.data.slices import learned_cuts
from pagecast.trainer.data.snapshot import NothingToTrainError
from pagecast.trainer.starts.base import Start
from pagecast.trainer.starts.growth import counts_after, grown


def begun(data: Dataset, start: Start) -> Dataset:
    """The data with the base's vocabulary, grown; for an incremental run, with what it learns from.

    Raises BaseError if the vocabulary cannot grow, NothingToTrainError if no step is new.
    """
    counts = counts_after(start, data.vocabulary, data.users)
    vocabulary = grown(start.base.vocabulary, data.vocabulary, counts)
    if start.replayed is None:
        return replace(data, vocabulary=vocabulary)
    if not any(user.new_N.any() for user in data.users):
        raise NothingToTrainError(
            "no steps are new since the base: what came repeated or prolonged older ones; "
            "ingest later events"
        )
    return replace(data, vocabulary=vocabulary, cuts=learned_cuts(data.users, start.replayed))
