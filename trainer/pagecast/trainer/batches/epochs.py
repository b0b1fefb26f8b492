"""Epoch after epoch of batches, from a place that can be kept and returned to."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from pydantic import JsonValue, TypeAdapter

from pagecast.trainer.batches.batch import PackedBatch
from pagecast.trainer.batches.drawing import Drawing

_STATE = TypeAdapter(dict[str, JsonValue])


@dataclass(frozen=True, kw_only=True)
class Place:
    """`batches` of an epoch are done; its permutation follows from numpy's state at its beginning.

    Both states are a bit generator's, as numpy tells them: names and whole numbers.
    """

    begin: Mapping[str, JsonValue]
    batches: int
    now: Mapping[str, JsonValue]


class Epochs:
    """Batches without end: every window once, then all again, in other batches and another order.

    `share` picks one process's windows of every batch. Pages are drawn for all windows whatever
    the share, so that every process's generator stays where a single process's would be.
    """

    def __init__(
        self, examples: Drawing, rng: np.random.Generator, share: slice = slice(None)
    ) -> None:
        self._examples, self._rng, self._share = examples, rng, share
        self._begin()

    def take(self) -> PackedBatch | None:
        """The share of the next batch; None if it has fewer windows than there are processes."""
        if self._taken == len(self._batches):
            self._begin()
        chosen = self._batches[self._taken]
        self._taken += 1
        pages = self._examples.pages(chosen, self._rng)
        if not chosen[self._share]:
            return None
        return self._examples.pack(chosen[self._share], pages[self._share])

    @property
    def place(self) -> Place:
        return Place(begin=self._began, batches=self._taken, now=self._state())

    def go_to(self, place: Place) -> None:
        """Goes on from a place of the same examples."""
        self._rng.bit_generator.state = dict(place.begin)
        self._begin()
        self._taken = place.batches
        self._rng.bit_generator.state = dict(place.now)

    def _begin(self) -> None:
        self._began = self._state()
        self._batches, self._taken = self._examples.shuffled(self._rng), 0

    def _state(self) -> dict[str, JsonValue]:
        return _STATE.validate_python(self._rng.bit_generator.state)
