"""Draws the batches of a training: which windows, which cuts, which pages.

Pages of users who have logged ones are those; pages of others are constructed, unless nothing but
logged ones is asked for. Openings are of the history's objective, and every user's.
"""

import dataclasses
import math
from collections.abc import Iterator, Sequence

import numpy as np

from pagecast.trainer.batch import CutPage, PackedBatch, Targets, pack
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.data import Dataset
from pagecast.trainer.logged_examples import LoggedExamples
from pagecast.trainer.pages import NO_ARGUMENT, PageBuilder, PageRow
from pagecast.trainer.scored import NO_USER
from pagecast.trainer.snapshot import NothingToTrainError
from pagecast.trainer.tails import NO_TAIL, Tail, Tails
from pagecast.trainer.users import Window, windows

NEARBY_WINDOWS = 0.1
"""Windows are batched with others of about their length: this much noise on its logarithm keeps
the company changing, and padding low."""

NO_TARGETS = Targets.of((), (), 1.0)
"""Of a window whose history is another window's, too."""


class Examples:
    """All windows of a data set, those of logged pages among them, and pages after their cuts.

    Raises NothingToTrainError if no user has a cut with something after it, or if logged pages
    alone are asked for and there are none.
    """

    def __init__(self, data: Dataset, builder: PageBuilder, config: TrainConfig) -> None:
        self._data, self._builder, self._config = data, builder, config
        of_users = [
            window
            for number, user in enumerate(data.users)
            for window in windows(
                number,
                user,
                range(len(user.steps)),
                data.catalog,
                data.vocabulary,
                config.model.compress_keep,
            )
        ]
        if not of_users:
            raise NothingToTrainError("no steps to train on: ingest interaction events first")
        self.logged = LoggedExamples(data, config, next_row=builder.next_row)
        self._tails = Tails(catalog=data.catalog, vocabulary=data.vocabulary)
        self._history = {id(window): self._next_entities(window) for window in of_users}
        self.windows = [*of_users, *self.logged.imitated]
        self.batches_per_epoch = len(self._batches(np.random.default_rng(0)))

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
            ahead_decay=self._config.objective.ahead_decay,
            page_wise=self._config.objective.page_wise,
        )

    def _batches(self, rng: np.random.Generator) -> list[list[Window]]:
        windows = self._epoch_windows(rng)
        sizes = np.array([self._positions(w) for w in windows])
        noise = rng.normal(0.0, NEARBY_WINDOWS, len(sizes))
        batches: list[list[Window]] = []
        longest = 0
        for number in np.argsort(np.log(sizes) + noise).tolist():
            longest = max(longest, int(sizes[number]))
            full = (
                not batches or (len(batches[-1]) + 1) * longest > self._config.positions_per_batch
            )
            if full:
                batches.append([])
                longest = int(sizes[number])
            batches[-1].append(windows[number])
        return batches

    def _epoch_windows(self, rng: np.random.Generator) -> list[Window]:
        """Every window, or of each user at most so many, drawn evenly, and every logged page."""
        count = self._config.user_windows_max
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
        """About how many positions a window takes with its pages."""
        if (logged := self.logged.page_of(window)) is not None:
            return len(window.entity_T) + logged.positions
        config = self._config
        cuts = min(len(window.cuts_C), config.opening_cuts_max)
        pages = min(len(window.cuts_C), config.page_cuts_max)
        page = config.page.rows_max * config.page.entities_max // 2
        last = self._tails.of(self._data.users[window.user], window, int(window.cuts_C[-1]))
        tails = math.ceil((cuts + pages) * len(last) * config.context_rate)
        return len(window.entity_T) + cuts + page * pages + tails

    def _next_entities(self, window: Window) -> Targets:
        """The history's objective: at every step's request, the entities chosen from it on.

        The step itself is the first, whatever happened at the same moment before it.
        """
        chosen = [self._ahead(window, cut) for cut in window.cuts_C.tolist()]
        requests = [window.request(cut) for cut in window.cuts_C.tolist()]
        return Targets.of(requests, chosen, self._config.objective.ahead_decay)

    def _pages_of(self, window: Window, rng: np.random.Generator) -> list[CutPage]:
        if self.logged.page_of(window) is None:
            return self._constructed(window, rng)
        page = self.logged.imitation(window)
        return [dataclasses.replace(page, rows=self._some_unknown(page.rows, rng))]

    def _some_unknown(self, rows: Sequence[PageRow], rng: np.random.Generator) -> list[PageRow]:
        """Presents rows of a logged page as unknown as often as those of constructed ones."""
        unknown = (rng.random(len(rows)) < self._config.page.row_fallback).tolist()
        return [
            dataclasses.replace(row, row=self._builder.fallback_row) if hide else row
            for row, hide in zip(rows, unknown, strict=True)
        ]

    def _constructed(self, window: Window, rng: np.random.Generator) -> list[CutPage]:
        """Pages and openings, where a request saw what is strictly earlier, and nothing else."""
        config = self._config
        user = self._data.users[window.user]
        order_C = rng.permutation(window.cuts_C[user.cut_N[window.first + window.cuts_C]])
        built = config.page_cuts_max if self.logged.constructs(user.user_id) else 0
        pages = []
        for cut in order_C[:built].tolist():
            columns = self._data.columns[window.user]
            rows = self._builder.build(columns, window.first + cut, rng)
            pages.append(CutPage(cut=cut, rows=rows, tail=self._tail(window, cut, rng)))
        rest = order_C[built:][: config.opening_cuts_max].tolist()
        return [*pages, *(self._opening(window, cut, rng) for cut in rest)]

    def _tail(self, window: Window, cut: int, rng: np.random.Generator) -> Tail:
        """A share of the requests that have a context are told it."""
        tail = self._tails.of(self._data.users[window.user], window, cut)
        told = len(tail) and rng.random() < self._config.context_rate
        return tail if told else NO_TAIL

    def _opening(self, window: Window, cut: int, rng: np.random.Generator) -> CutPage:
        ahead = self._ahead(window, cut)
        row = PageRow(
            row=self._builder.next_row,
            argument=NO_ARGUMENT,
            entities=tuple(ahead),
            weights=tuple(ahead.values()),
        )
        return CutPage(cut=cut, rows=[row], opening=True, tail=self._tail(window, cut, rng))

    def _ahead(self, window: Window, cut: int) -> dict[int, float]:
        user = self._data.columns[window.user]
        config = self._config
        return user.next_entities(
            window.first + cut, config.page.window_steps, config.objective.ahead_max
        )
