"""The platform in one process: histories, catalog, popularity, rules and engine, and no network.

What a page is made from is what the server makes it from, by the same functions; what is missing
is Kafka, gRPC and their delays. So a day of a hundred members takes seconds, and two contenders
meet the same members with the same luck.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np

from pagecast.engine.page_events import EntityChosen, PageEvent, RowBegun
from pagecast.engine.popular import popular_page
from pagecast.engine.served_model import ServedBundle, ServedModel, bind, whole_page
from pagecast.featurestore.catalog_items import entity_of, item_change
from pagecast.featurestore.context import NO_CONTEXT
from pagecast.featurestore.fold import apply_event
from pagecast.featurestore.history import STEPS_MAX, History, HistoryVersion, Profile
from pagecast.featurestore.popularity import decay
from pagecast.featurestore.prompt import Prompt, RequestHalf, build_prompt
from pagecast.featurestore.snapshot import CatalogSnapshot
from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.rules.page_rules import PageRules, compile_rules
from pagecast.rules.page_state import NO_ARGUMENT
from pagecast.server.facts import facts_of
from pagecast.server.request import PageClock, PageRequest
from pagecast.simulator.events import SURFACE, Visit
from pagecast.simulator.page import ShownPage, ShownRow
from pagecast.v1 import catalog_pb2, events_pb2, rules_pb2

ROWS, ENTITIES_PER_ROW = 8, 10
"""Of a page, as clients ask by default."""

POPULARITY_PERIOD_MS = 3_600_000
"""Of simulated time: how old popularity may be when a page is made."""

LOG = "arena"

Told = Callable[[str, Prompt], None]
"""Is told the prompt of every page, by the page's id."""


class ArenaPlatform:
    """Pages of one contender; None makes them by popularity. Of one thread."""

    late_pages = 0

    def __init__(
        self,
        bundle: ServedBundle | None,
        catalog: CatalogSnapshot,
        counts: Mapping[str, float],
        start_ms: int,
        told: Told = lambda _page_id, _prompt: None,
    ) -> None:
        self._catalog = CompiledCatalog(catalog)
        self._model: ServedModel | None = None if bundle is None else bind(bundle, catalog)
        self._counts, self._as_of_ms = dict(counts), start_ms
        self._histories: dict[str, History] = {}
        self._pages, self._told = itertools.count(), told
        self._rank(start_ms)

    def page(self, visit: Visit, at_ms: int, seed: int) -> ShownPage:
        if at_ms - self._ranked_ms >= POPULARITY_PERIOD_MS:
            self._rank(at_ms)
        request = _request(visit, at_ms, seed, next(self._pages))
        history = self._histories.get(visit.user_id)
        facts = facts_of(request, history, Profile(), self._catalog.snapshot)
        rules = compile_rules(self._catalog, facts, self._popular)
        prompt = self._prompt(request, history)
        self._told(request.page_id, prompt)
        return ShownPage(
            page_id=request.page_id,
            user_id=visit.user_id,
            requested_at_ms=at_ms,
            rows=tuple(_rows(self._events(prompt, rules), rules)),
            model_version="" if self._model is None else self._model.version,
        )

    def publish(self, user_id: str, events: Sequence[events_pb2.InteractionEvent]) -> None:
        history = self._histories.setdefault(user_id, History(user_id))
        offset = history.version.next_offset if history.version else 0
        for number, event in enumerate(events, start=offset + 1):
            version = HistoryVersion(topic_id=LOG, partition=0, next_offset=number)
            apply_event(history, event, version)
            if event.WhichOneof("action") in ("play", "rate", "purchase"):
                self._count(event)

    def change_catalog(self, changes: Sequence[catalog_pb2.CatalogChange]) -> None:
        """Upserts of entities: nothing else happens in a simulation."""
        if not changes:
            return
        older = self._catalog.snapshot
        number = older.number + len(changes)
        entities = [
            entity_of(
                item_change(change).payload or b"",
                number=number,
                changed_at_ms=change.occurred_at.ToMilliseconds(),
                retired=False,
            )
            for change in changes
        ]
        snapshot = CatalogSnapshot(
            number=number, entities=(*older.entities, *entities), rows=older.rows
        )
        self._catalog = CompiledCatalog(snapshot, self._catalog)
        if self._model is not None:
            self._model = bind(self._model.bundle, snapshot, older=self._model)
        self._rank(self._ranked_ms)

    @property
    def catalog(self) -> CatalogSnapshot:
        """As of now."""
        return self._catalog.snapshot

    def knows(self, user_id: str) -> bool:
        return user_id in self._histories

    def forget(self, user_id: str) -> bool:
        return self._histories.pop(user_id, None) is not None

    def _prompt(self, request: PageRequest, history: History | None) -> Prompt:
        bundle = None if self._model is None else self._model.bundle
        return build_prompt(
            history,
            Profile(),
            request.half,
            catalog=self._catalog.snapshot,
            steps_max=STEPS_MAX if bundle is None else bundle.steps_max,
            context=NO_CONTEXT if bundle is None else bundle.context,
        )

    def _events(self, prompt: Prompt, rules: PageRules) -> Iterable[PageEvent]:
        if self._model is None:
            return popular_page(rules, self._scores_N)
        return whole_page(self._model, prompt, rules)

    def _count(self, event: events_pb2.InteractionEvent) -> None:
        entity_id = getattr(event, event.WhichOneof("action") or "").entity_id
        age_ms = self._as_of_ms - event.occurred_at.ToMilliseconds()
        self._counts[entity_id] = self._counts.get(entity_id, 0.0) + decay(age_ms)

    def _rank(self, at_ms: int) -> None:
        """Scores are all as of one moment, which their order does not depend on."""
        entities = self._catalog.snapshot.entities
        scores_N = np.array([self._counts.get(e.entity_id, 0.0) for e in entities], np.float32)
        self._scores_N, self._ranked_ms = scores_N, at_ms
        self._popular = np.argsort(-scores_N, kind="stable")[: np.count_nonzero(scores_N)]


def _request(visit: Visit, at_ms: int, seed: int, number: int) -> PageRequest:
    return PageRequest(
        clock=PageClock.start(None),
        page_id=f"{visit.session_id}-{number}",
        user_id=visit.user_id,
        half=RequestHalf(at_ms=at_ms, device=visit.device, surface=SURFACE),
        context=visit.context(),
        rows=ROWS,
        entities_per_row=ENTITIES_PER_ROW,
        rules=rules_pb2.RequestRules(),
        exact_entities=3,
        seed=seed,
        entity_by_entity=False,
    )


def _rows(events: Iterable[PageEvent], rules: PageRules) -> Iterator[ShownRow]:
    snapshot = rules.catalog.snapshot
    begun: RowBegun | None = None
    placed: list[str] = []
    for event in events:
        if isinstance(event, EntityChosen):
            placed.append(snapshot.entities[event.entity].entity_id)
            continue
        if begun is not None and placed:
            yield _row(begun, placed, snapshot)
        begun, placed = (event if isinstance(event, RowBegun) else None), []


def _row(begun: RowBegun, placed: Sequence[str], snapshot: CatalogSnapshot) -> ShownRow:
    known = begun.argument != NO_ARGUMENT
    return ShownRow(
        row_id=snapshot.rows[begun.row].row_id,
        argument_entity_id=snapshot.entities[begun.argument].entity_id if known else "",
        entity_ids=tuple(placed),
    )
