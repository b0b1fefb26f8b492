"""Pages for a batch, and receivers of their events."""

from collections.abc import Callable, Sequence
from typing import Any

from engine.factories_engine import prompt_of
from rules.factories_rules import facts

from pagecast.engine.batching.page_batch import PageBatch
from pagecast.engine.batching.page_job import PageJob, PageSink, prepare
from pagecast.engine.batching.prefix_cache import PrefixCache
from pagecast.engine.decode_options import DecodeOptions
from pagecast.engine.model import Model
from pagecast.engine.page_events import PageEnded, PageEvent
from pagecast.featurestore.prompt.prompt import Prompt
from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.rules.page_rules import PageRules, compile_rules

NOT_ENDED = object()


class Received:
    """What became of a page: its events, in the portions they came in, and how it ended."""

    def __init__(
        self,
        stopped: Callable[[], bool] | None = None,
        *,
        whole_rows: bool = True,
        in_a_hurry: bool = True,
    ) -> None:
        self.portions: list[Sequence[PageEvent]] = []
        self.outcome: Any = NOT_ENDED
        self.wanted = True
        self.sink = PageSink(
            put=self.portions.append,
            end=self._end,
            stopped=stopped or (lambda: not self.wanted),
            whole_rows=whole_rows,
            in_a_hurry=in_a_hurry,
        )

    @property
    def events(self) -> list[PageEvent]:
        return [event for portion in self.portions for event in portion]

    @property
    def ended(self) -> bool:
        return self.outcome is not NOT_ENDED

    @property
    def complete(self) -> bool:
        return self.outcome is None and isinstance(self.events[-1], PageEnded)

    def _end(self, error: BaseException | None) -> None:
        assert not self.ended, "a page ends once"
        self.outcome = error


def rules_of(model: Model, rows: int = 4, entities_per_row: int = 6) -> PageRules:
    request = facts(rows=rows, entities_per_row=entities_per_row)
    return compile_rules(CompiledCatalog(model.snapshot), request, range(40))


def job_of(
    model: Model,
    received: Received,
    prompt: Prompt | None = None,
    *,
    user_id: str = "ada",
    prefixes: PrefixCache | None = None,
    rules: PageRules | None = None,
    exact_entities: int = 3,
) -> PageJob:
    prefixes = PrefixCache(0) if prefixes is None else prefixes
    return prepare(
        model,
        user_id,
        prompt_of("e1", "e2") if prompt is None else prompt,
        rules_of(model) if rules is None else rules,
        DecodeOptions(exact_entities=exact_entities),
        prefixes,
        received.sink,
        forgotten=prefixes.forgotten,
    )


def batch_of(model: Model, slots: int = 4, prefixes: PrefixCache | None = None) -> PageBatch:
    decoder = model.bundle.decoder(slots)
    return PageBatch(decoder, PrefixCache(0) if prefixes is None else prefixes)


def finish(batch: PageBatch) -> int:
    """Turns until nobody is left; returns how many."""
    turns = 0
    while len(batch):
        batch.turn()
        turns += 1
    return turns
