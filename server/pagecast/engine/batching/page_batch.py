"""Many pages of one model, decoded together: they join and leave between turns.

In a turn, pages that are no longer wanted leave; one chunk of one prompt is fed, then the chunks of
rows filled at once; then every page steps, including one whose chunk has just been fed, and a
prompt with one position left. A step of neighbouring slots is one run, and a run of all pages costs
little more than one of most: so no page sits out a step, wherever in its rows it is. But while a
page in a hurry waits for its first row, pages past theirs go on only every `LATER_ROWS_EVERY`
turns: a client has something to show once it has a row, and is in no hurry for the eighth.

No threads here: `decode_loop` calls this from its own.

Letters in names: S tokens fed to one page, B pages of a run, D width.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise

from pagecast.engine.batching.page_job import PageJob
from pagecast.engine.batching.prefix_cache import Prefix, PrefixCache
from pagecast.engine.batching.slot_decoder import CHUNK_MAX, SlotDecoder
from pagecast.engine.errors import EngineError
from pagecast.engine.graph import FloatArray
from pagecast.engine.page import begin_page
from pagecast.engine.page_events import PageEnded, PageEvent, RowEnded
from pagecast.engine.walk import Feed, PageWalk

LATER_ROWS_EVERY = 3
"""Turns from one step of later rows to the next while a page in a hurry waits for its first row.
With 16 slots in use one nearly always waits: first rows come about twice as soon, and some three
runs per page, of one or two pages each, cost 3 to 5 % of the throughput. A turn of all pages takes
ten times as long as that of a single one, so first rows would be later with 2
(benchmarks/serve.md)."""


GAP_MAX = 3
"""Slots that a run reads in vain between two of its own: each costs a fifth of a separate run."""


class _Page:
    """A page in its slot: its prompt is being fed, or its walk waits for `feed`, or it is over."""

    def __init__(self, job: PageJob, slot: int) -> None:
        self.job = job
        self.slot = slot
        self.prompt_TD = job.tokens_TD
        self.walk: PageWalk | None = None
        self.feed: Feed | None = None
        self.rows = 0
        self._events: list[PageEvent] = []
        self.prompt_fed(0)

    def prompt_fed(self, positions: int) -> None:
        """`positions` more of the prompt are in the slot. The last one is a step like any other."""
        self.prompt_TD = self.prompt_TD[positions:]
        self.feed = Feed(tokens_SD=self.prompt_TD) if len(self.prompt_TD) == 1 else None

    @property
    def waits_for_step(self) -> bool:
        return self.feed is not None and len(self.feed.tokens_SD) == 1

    @property
    def comes_first(self) -> bool:
        """Whether it is in a hurry and its first row is still to come."""
        return self.rows == 0 and self.job.sink.in_a_hurry

    def take(self, event: PageEvent) -> None:
        self._events.append(event)
        if isinstance(event, RowEnded):
            self.rows += 1
            self.hand_over()
        elif isinstance(event, PageEnded):
            self.hand_over()

    def hand_over(self) -> None:
        """Raises what the sink raises."""
        if self._events:
            events, self._events = self._events, []
            self.job.sink.put(events)


class PageBatch:
    """The pages in the slots of one decoder. Never raises an error of a single page."""

    def __init__(self, decoder: SlotDecoder, prefixes: PrefixCache) -> None:
        self._decoder = decoder
        self._prefixes = prefixes
        self._pages: dict[int, _Page] = {}
        self._turns = 0

    def __len__(self) -> int:
        return len(self._pages)

    @property
    def full(self) -> bool:
        return len(self._pages) == self._decoder.slots.slots

    def join(self, job: PageJob) -> None:
        """Gives a page the first free slot; there must be one."""
        slot = next(i for i in range(self._decoder.slots.slots) if i not in self._pages)
        caches = None if job.prefix is None else job.prefix.caches_YHPK
        self._decoder.slots.begin(slot, caches)
        self._pages[slot] = _Page(job, slot)

    def turn(self) -> None:
        """Moves the pages on, as described above."""
        self._turns += 1
        for page in list(self._pages.values()):
            if page.job.sink.stopped():
                self._leave(page)
        self._feed_prompt()
        ready = self._pages_to_feed()
        for page in [page for page in ready if not page.waits_for_step]:
            self._run([page], partial(self._chunk, page))
        # Asked again: a chunk is usually followed by a step.
        stepping = self._with_room([page for page in ready if page.waits_for_step])
        for pages in _neighbours(stepping):
            self._run(pages, partial(self._step, pages))

    def end_all(self, error: BaseException) -> None:
        """Every page leaves with an error."""
        for page in list(self._pages.values()):
            self._leave(page, error)

    def _feed_prompt(self) -> None:
        """Feeds one chunk of the prompt that was begun first."""
        unfed = (p for p in self._pages.values() if p.walk is None and len(p.prompt_TD) > 1)
        page = next(unfed, None)
        if page is not None:
            self._run([page], partial(self._prompt_chunk, page))

    def _prompt_chunk(self, page: _Page) -> FloatArray:
        chunk_SD = page.prompt_TD[:CHUNK_MAX]
        hidden_SD = self._decoder.chunk(page.slot, chunk_SD)
        page.prompt_fed(len(chunk_SD))
        return hidden_SD[None]

    def _pages_to_feed(self) -> list[_Page]:
        pages = list(self._pages.values())
        if self._turns % LATER_ROWS_EVERY and any(page.comes_first for page in pages):
            pages = [page for page in pages if page.comes_first]
        return [page for page in pages if page.feed is not None]

    def _with_room(self, pages: Sequence[_Page]) -> list[_Page]:
        """Pages whose slots have room for one more; others leave before they fail a shared run."""
        for page in pages:
            assert page.feed is not None, "only pages that wait step"
            try:
                self._decoder.slots.check_room(page.slot, 1 - page.feed.take_back)
            except EngineError as error:
                self._leave(page, error)
        return [page for page in pages if page.feed is not None]

    def _chunk(self, page: _Page) -> FloatArray:
        tokens_SD = self._taken_back(page)
        return self._decoder.feed(page.slot, tokens_SD)[None]

    def _step(self, pages: Sequence[_Page]) -> FloatArray:
        tokens_BD = [self._taken_back(page)[0] for page in pages]
        hidden_BD = self._decoder.step([page.slot for page in pages], tokens_BD)
        for page in pages:
            if page.walk is None:
                page.prompt_fed(1)
        return hidden_BD[:, None]

    def _taken_back(self, page: _Page) -> FloatArray:
        """Takes back what a waiting page's next tokens replace, and returns these [S, D]."""
        feed = page.feed
        assert feed is not None, "only pages that wait are fed"
        if feed.take_back:
            self._decoder.take_back(page.slot, feed.take_back)
        return feed.tokens_SD

    def _run(self, pages: Sequence[_Page], run: Callable[[], FloatArray]) -> None:
        """Runs the model for some pages, then lets each go on; an error ends those it concerns."""
        try:
            hidden_BSD = run()
        except Exception as error:
            for page in pages:
                self._leave(page, error)
            return
        for page, hidden_SD in zip(pages, hidden_BSD, strict=True):
            try:
                self._go_on(page, hidden_SD)
            except Exception as error:
                self._leave(page, error)

    def _go_on(self, page: _Page, hidden_SD: FloatArray) -> None:
        """Walks the page until it waits for the model again, or ends."""
        answer: FloatArray | None = hidden_SD
        if page.walk is None:
            if len(page.prompt_TD):
                return
            self._keep_prefix(page)
            job = page.job
            page.walk = begin_page(
                job.model,
                job.rules,
                job.options,
                request_D=job.request_D,
                hidden_D=hidden_SD[-1],
            )
            answer = None
        page.feed = _walk(page.walk, answer, page.take)
        if page.feed is None:
            self._leave(page)
        elif not page.job.sink.whole_rows:
            page.hand_over()

    def _keep_prefix(self, page: _Page) -> None:
        """What of the prompt does not depend on the request is kept, unless it already is."""
        job = page.job
        if job.forgotten is not None and job.prefix_positions < job.cacheable:
            caches_YHPK = self._decoder.slots.prefix(page.slot, job.cacheable)
            prefix = Prefix(made_from=job.made_from, caches_YHPK=caches_YHPK)
            self._prefixes.keep(job.key, prefix, job.forgotten)

    def _leave(self, page: _Page, error: BaseException | None = None) -> None:
        if self._pages.pop(page.slot, None) is not None:
            page.feed = None  # a page that has left waits for nothing, whatever its chunk asked
            page.job.sink.end(error)


def _walk(
    walk: PageWalk, answer: FloatArray | None, take: Callable[[PageEvent], None]
) -> Feed | None:
    """Takes the events after an answer; returns the feed they end with, None after the last."""
    try:
        item = walk.send(answer)
        while not isinstance(item, Feed):
            take(item)
            item = walk.send(None)
    except StopIteration:
        return None
    return item


def _neighbours(pages: Sequence[_Page]) -> Iterator[Sequence[_Page]]:
    """Pages in groups whose slots follow each other, or nearly."""
    if len(pages) == 1:
        yield pages
        return
    ordered = sorted(pages, key=lambda page: page.slot)
    cuts = [at for at, (a, b) in enumerate(pairwise(ordered), 1) if b.slot - a.slot > GAP_MAX + 1]
    for begin, end in pairwise([0, *cuts, len(ordered)]):
        if begin < end:
            yield ordered[begin:end]
