"""Requests as openings: what a model's state is after [prompt, ROW top].

Letters: J openings, O width of hidden states.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.prompt.vocabulary import Vocabulary
from pagecast.trainer.batches.batch import CutPage, PackedBatch
from pagecast.trainer.batches.packer import pack
from pagecast.trainer.batches.tails import Tail, Tails
from pagecast.trainer.data.dataset import next_row
from pagecast.trainer.data.replay import UserSteps
from pagecast.trainer.data.users import Window, windows
from pagecast.trainer.fitting.forward import Embedded, packed_hidden
from pagecast.trainer.network.model import PageModel
from pagecast.trainer.pages.constructed import NO_ARGUMENT, PageRow

POSITIONS_TOGETHER = 4096
"""Positions of one forward pass: bounds its memory, the mask is quadratic."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Opening:
    """A window, and the caller's number of the request of each of its cuts, with its tail."""

    window: Window
    requests: tuple[int, ...]
    tails: tuple[Tail, ...]

    @property
    def positions(self) -> int:
        return len(self.window.entity_T) + len(self.requests) + sum(map(len, self.tails))


class Openings:
    """Makes openings in the numbers of a model, and asks it for them."""

    def __init__(self, model: PageModel, vocabulary: Vocabulary, catalog: CatalogSnapshot) -> None:
        self._model, self._vocabulary, self._catalog = model, vocabulary, catalog
        self._tails = Tails(catalog=catalog, vocabulary=vocabulary)

    def of(self, number: int, user: UserSteps, cuts: Mapping[int, int]) -> Iterator[Opening]:
        """Of a user's requests: `cuts` are the caller's numbers by the step each is made at."""
        catalog, keep = self._catalog, self._model.config.compress_keep
        for window in windows(number, user, sorted(cuts), catalog, self._vocabulary, keep):
            members = (window.cuts_C + window.first).tolist()
            yield Opening(
                window=window,
                requests=tuple(cuts[cut] for cut in members),
                tails=tuple(self._tails.of(user, window, cut) for cut in window.cuts_C.tolist()),
            )

    def states(self, embedded: Embedded, openings: Sequence[Opening]) -> Tensor:
        """`hidden_JO` of the openings' requests, in their order, in one forward pass."""
        batch = self.batch(openings)
        hidden_XO = packed_hidden(self._model, embedded, batch)
        return hidden_XO[torch.from_numpy(batch.pages.at_J)]

    def batch(self, openings: Sequence[Opening]) -> PackedBatch:
        """The openings, packed."""
        top = PageRow(row=next_row(self._catalog), argument=NO_ARGUMENT, entities=(), weights=())
        pages = [
            [
                CutPage(cut=cut, rows=[top], opening=True, tail=tail)
                for cut, tail in zip(opening.window.cuts_C.tolist(), opening.tails, strict=True)
            ]
            for opening in openings
        ]
        return pack([opening.window for opening in openings], pages, ahead_decay=1.0)


def together(openings: Iterable[Opening]) -> Iterator[list[Opening]]:
    """Openings of about one length, as many as one forward pass takes."""
    batch: list[Opening] = []
    for opening in sorted(openings, key=lambda opening: opening.positions):
        if batch and (len(batch) + 1) * opening.positions > POSITIONS_TOGETHER:
            yield batch
            batch = []
        batch.append(opening)
    if batch:
        yield batch
