"""A whole page, one at a time, in this process: ours as the server decodes it, and the peers."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pagecast.cli.bench.serve.asked import Clock
from pagecast.cli.bench.serve.peers import Peer, decode_by
from pagecast.engine.batching.page_batch import PageBatch
from pagecast.engine.batching.page_job import PageSink, prepare
from pagecast.engine.batching.prefix_cache import PrefixCache
from pagecast.engine.batching.prompt_tokens import encode, tokens_of
from pagecast.engine.decode_options import DecodeOptions
from pagecast.engine.model import Model
from pagecast.engine.page_events import EntityChosen, PageEnded, PageEvent, RowBegun, RowEnded
from pagecast.featurestore.prompt.prompt import Prompt
from pagecast.rules.page_rules import PageRules


@dataclass(kw_only=True)
class Timed:
    """Milliseconds, turn by turn, and the last page."""

    page_ms: list[float] = field(default_factory=list)
    first_row_ms: list[float] = field(default_factory=list)
    placed: list[int] = field(default_factory=list)
    near_ties: int = 0


Turn = Callable[[Timed], None]


def our_turn(
    model: Model,
    batch: PageBatch,
    prompt: Prompt,
    rules: PageRules,
    options: DecodeOptions,
    clock: Clock = time.thread_time,
) -> Turn:
    """The page as a job of a batch; nothing of the history is kept."""
    prefixes = PrefixCache(0)

    def turn(timed: Timed) -> None:
        events: list[PageEvent] = []
        failed: list[BaseException | None] = []
        began_s, first_row_s = clock(), 0.0

        def put(portion: Sequence[PageEvent]) -> None:
            nonlocal first_row_s
            if not first_row_s and isinstance(portion[-1], RowEnded):
                first_row_s = clock()
            events.extend(portion)

        sink = PageSink(put=put, end=failed.append)
        job = prepare(model, "bench", prompt, rules, options, prefixes, sink, forgotten=0)
        batch.join(job)
        while not failed:
            batch.turn()
        timed.page_ms.append((clock() - began_s) * 1000)
        timed.first_row_ms.append((first_row_s - began_s) * 1000)
        if failed[0] is not None:
            raise failed[0]
        timed.placed = _placed(events)
        timed.near_ties = sum(e.near_ties for e in events if isinstance(e, PageEnded))

    return turn


def peer_turn(
    peer: Peer, model: Model, prompt: Prompt, rules: PageRules, clock: Clock = time.thread_time
) -> Turn:
    """The same page by a peer; for both, embedding the prompt counts."""

    def turn(timed: Timed) -> None:
        began_s = clock()
        rows_s: list[float] = []
        tokens_TD = tokens_of(model, encode(model, prompt))
        timed.placed = decode_by(peer, model, tokens_TD, rules, lambda: rows_s.append(clock()))
        timed.page_ms.append((clock() - began_s) * 1000)
        timed.first_row_ms.append((rows_s[0] - began_s) * 1000)

    return turn


def take_turns(turns: dict[str, Turn], rounds: int) -> dict[str, Timed]:
    """Each has a turn in every round, so a busy machine slows all alike; one round warms up."""
    warm = {name: Timed() for name in turns}
    timed = {name: Timed() for name in turns}
    for kept in (warm, *[timed] * rounds):
        for name, turn in turns.items():
            turn(kept[name])
    return timed


def _placed(events: Sequence[PageEvent]) -> list[int]:
    placed = []
    for event in events:
        if isinstance(event, RowBegun):
            placed.append(-1 - event.row)
        elif isinstance(event, EntityChosen):
            placed.append(event.entity)
    return placed
