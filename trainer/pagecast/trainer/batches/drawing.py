"""Draws the batches of a part of a training: which windows, which cuts, which pages."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from pagecast.trainer.batches.batch import CutPage, PackedBatch
from pagecast.trainer.batches.packer import pack
from pagecast.trainer.batches.tails import NO_TAIL, Tail, Tails
from pagecast.trainer.batches.targets import Targets
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.data.dataset import Dataset
from pagecast.trainer.data.users import Window
from pagecast.trainer.pages.constructed import NO_ARGUMENT, PageBuilder, PageRow
from pagecast.trainer.pages.logged_examples import LoggedExamples
from pagecast.trainer.pages.scored import NO_USER

NEARBY_WINDOWS = 0.1
"""Windows are batched with others of about their length: this much noise on its logarithm keeps
batches changing, and padding low."""

NO_TARGETS = Targets.of((), (), 1.0)
"""For a window whose history has no targets."""


class Drawing(ABC):
    """Batches of some windows; each part decides what pages stand behind a window.

    `history` are the targets of windows' histories, by `id` of the window.
    """

    def __init__(
        self,
        data: Dataset,
        builder: PageBuilder,
        config: TrainConfig,
        *,
        logged: LoggedExamples,
        windows: Sequence[Window],
        history: Mapping[int, Targets],
    ) -> None:
        self.data, self.builder, self.config = data, builder, config
        self.logged, self.windows, self._history = logged, list(windows), history
        self._tails = Tails(catalog=data.catalog, vocabulary=data.vocabulary)
        self._size = {id(window): self._positions(window) for window in self.windows}
        self.batches_per_epoch = len(self._batches(np.random.default_rng(0)))

    @abstractmethod
    def _pages_of(self, window: Window, rng: np.random.Generator) -> list[CutPage]:
        """Draws the pages behind a window."""

    def epoch(self, rng: np.random.Generator) -> Iterator[PackedBatch]:
        """Every window once, in batches of at most about `positions_per_batch` positions."""
        for chosen in self.shuffled(rng):
            yield self.pack(chosen, self.pages(chosen, rng))

    def shuffled(self, rng: np.random.Generator) -> list[list[Window]]:
        """An epoch's batches of windows in the order of training."""
        batches = self._batches(rng)
        return [batches[number] for number in rng.permutation(len(batches)).tolist()]

    def pages(self, chosen: Sequence[Window], rng: np.random.Generator) -> list[list[CutPage]]:
        """Draws pages after cuts of each window."""
        return [self._pages_of(window, rng) for window in chosen]

    def pack(self, chosen: Sequence[Window], pages: Sequence[Sequence[CutPage]]) -> PackedBatch:
        """Packs windows with their pages and the targets of their histories."""
        return pack(
            chosen,
            pages,
            [self._history.get(id(window), NO_TARGETS) for window in chosen],
            ahead_decay=self.config.objective.ahead_decay,
            page_wise=self.config.objective.page_wise,
        )

    def _batches(self, rng: np.random.Generator) -> list[list[Window]]:
        windows = self._epoch_windows(rng)
        sizes = np.array([self._size[id(window)] for window in windows])
        noise = rng.normal(0.0, NEARBY_WINDOWS, len(sizes))
        batches: list[list[Window]] = []
        longest = 0
        for number in np.argsort(np.log(sizes) + noise).tolist():
            longest = max(longest, int(sizes[number]))
            full = not batches or (len(batches[-1]) + 1) * longest > self.config.positions_per_batch
            if full:
                batches.append([])
                longest = int(sizes[number])
            batches[-1].append(windows[number])
        return batches

    def _epoch_windows(self, rng: np.random.Generator) -> list[Window]:
        """Every window, or at most so many of each user, drawn evenly; and every logged page."""
        count = self.config.user_windows_max
        if count is None:
            return self.windows
        order_W = rng.permutation(len(self.windows))
        user_W = np.array([window.user for window in self.windows])[order_W]
        by_user_W = np.argsort(user_W, kind="stable")
        user_W = user_W[by_user_W]
        place_W = np.arange(len(user_W)) - np.searchsorted(user_W, user_W)
        drawn = order_W[by_user_W[(place_W < count) | (user_W == NO_USER)]]
        return [self.windows[number] for number in drawn.tolist()]

    def _positions(self, window: Window) -> int:
        """About how many positions a window takes with its pages, before entities are spelled."""
        if (logged := self.logged.page_of(window)) is not None:
            return len(window.entity_T) + logged.positions
        config = self.config
        cuts = min(len(window.cuts_C), config.opening_cuts_max)
        pages = min(len(window.cuts_C), config.page_cuts_max)
        page = config.page.rows_max * config.page.entities_max // 2
        last = self._tails.of(self.data.users[window.user], window, int(window.cuts_C[-1]))
        tails = math.ceil((cuts + pages) * len(last) * config.context_rate)
        return len(window.entity_T) + cuts + page * pages + tails

    def _constructed(self, window: Window, rng: np.random.Generator) -> list[CutPage]:
        """Pages and openings, where a request saw exactly what is strictly earlier."""
        config = self.config
        user = self.data.users[window.user]
        order_C = rng.permutation(window.cuts_C[user.cut_N[window.first + window.cuts_C]])
        built = config.page_cuts_max if self.logged.constructs(user.user_id) else 0
        pages = []
        for cut in order_C[:built].tolist():
            columns = self.data.columns[window.user]
            rows = self.builder.build(columns, window.first + cut, rng)
            pages.append(CutPage(cut=cut, rows=rows, tail=self._tail(window, cut, rng)))
        rest = order_C[built:][: config.opening_cuts_max].tolist()
        return [*pages, *(self._opening(window, cut, rng) for cut in rest)]

    def _tail(self, window: Window, cut: int, rng: np.random.Generator) -> Tail:
        """The request's context, for a share of the requests that have one."""
        if rng.random() >= self.config.context_rate:
            return NO_TAIL
        return self._tails.of(self.data.users[window.user], window, cut)

    def _opening(self, window: Window, cut: int, rng: np.random.Generator) -> CutPage:
        ahead = entities_ahead(self.data, window, cut, self.config)
        row = PageRow(
            row=self.builder.next_row,
            argument=NO_ARGUMENT,
            entities=tuple(ahead),
            weights=tuple(ahead.values()),
        )
        return CutPage(cut=cut, rows=[row], opening=True, tail=self._tail(window, cut, rng))


def entities_ahead(
    data: Dataset, window: Window, cut: int, config: TrainConfig
) -> dict[int, float]:
    """Weights of the entities chosen from a cut on, nearest first: what is predicted there."""
    user = data.columns[window.user]
    steps, count = config.page.window_steps, config.objective.ahead_max
    return user.next_entities(window.first + cut, steps, count)
