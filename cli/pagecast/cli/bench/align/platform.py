"""The platform in one process: histories, catalog, popularity, rules and engine, and no network.

Pages are made from what the server makes them from, by the same functions; only Kafka, gRPC and
their delays are missing. So a day of a hundred members takes seconds, and two contenders meet the
same members with the same luck.
"""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from pagecast.cli.bench.align.data import count
from pagecast.cli.bench.align.exploration import NEVER, Exploration
from pagecast.cli.bench.align.served import served_rows, shown_row
from pagecast.engine.bundles.served_model import ServedBundle, ServedModel, bind, whole_page
from pagecast.engine.page_events import PageEvent
from pagecast.engine.popular import popular_page
from pagecast.featurestore.catalog.items import entity_of, item_change
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.history.fold import apply_event
from pagecast.featurestore.history.history import STEPS_MAX, History, HistoryVersion, Profile
from pagecast.featurestore.history.tokens import token_of
from pagecast.featurestore.models.records import CHAMPION
from pagecast.featurestore.offline import LoggedEvent
from pagecast.featurestore.prompt.context import NO_CONTEXT
from pagecast.featurestore.prompt.prompt import Prompt, RequestHalf, build_prompt
from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.rules.page_rules import compile_rules
from pagecast.server.page.basis import PageBasis
from pagecast.server.page.facts import facts_of
from pagecast.server.page.options import decode_options
from pagecast.server.page.request import PageClock, PageRequest
from pagecast.simulator.events import SURFACE, Visit
from pagecast.simulator.page import ShownPage
from pagecast.streaming.counting import counted
from pagecast.v1 import catalog_pb2, events_pb2, rules_pb2

ROWS, ENTITIES_PER_ROW = 8, 10
"""Size of a page, as clients ask for it by default."""

EXACT_ENTITIES = 3
"""Entities of a row decoded one by one, the server's default."""

POPULARITY_PERIOD_MS = 3_600_000
"""How old popularity may be when a page is made, in simulated time."""

LOG = "arena"

Told = Callable[[str, Prompt], None]
"""Takes the id and the prompt of every page."""


class ArenaPlatform:
    """Makes one contender's pages, without a bundle by popularity. For one thread."""

    late_pages = 0

    def __init__(
        self,
        bundle: ServedBundle | None,
        catalog: CatalogSnapshot,
        counts: Mapping[str, float],
        start_ms: int,
        explore: Exploration = NEVER,
        told: Told = lambda _page_id, _prompt: None,
    ) -> None:
        self._catalog = CompiledCatalog(catalog)
        self._model: ServedModel | None = None if bundle is None else bind(bundle, catalog)
        self._counts, self._as_of_ms = dict(counts), start_ms
        self._explore = explore
        self._histories: dict[str, History] = {}
        self._pages, self._next_offset, self._told = itertools.count(), 0, told
        self._rank(start_ms)

    def serve(self, bundle: ServedBundle) -> None:
        """Makes every page from now on by another model."""
        self._model = bind(bundle, self.catalog)

    def try_page(self, user_id: str, at_ms: int) -> None:
        """Pages can be had for any moment here."""

    def page(self, visit: Visit, at_ms: int, seed: int) -> ShownPage:
        if at_ms - self._ranked_ms >= POPULARITY_PERIOD_MS:
            self._rank(at_ms)
        basis = self._basis(_request(visit, at_ms, seed, next(self._pages), self._explore))
        self._told(basis.page.page_id, basis.prompt)
        return ShownPage(
            page_id=basis.page.page_id,
            user_id=visit.user_id,
            requested_at_ms=at_ms,
            rows=tuple(shown_row(row) for row in self._rows(basis)),
            model_version=basis.model_version,
        )

    def publish(self, user_id: str, events: Sequence[events_pb2.InteractionEvent]) -> None:
        history = self._histories.setdefault(user_id, History(user_id))
        for event in events:
            self._next_offset += 1
            version = HistoryVersion(topic_id=LOG, partition=0, next_offset=self._next_offset)
            apply_event(history, event, version)
        rows = (LoggedEvent(LOG, 0, 0, token_of(event), b"") for event in events)
        count(self._counts, counted(rows), self._as_of_ms)

    def change_catalog(self, changes: Sequence[catalog_pb2.CatalogChange]) -> None:
        """Upserts of entities: nothing else happens in a simulation."""
        if not changes:
            return
        older = self.catalog
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

    def _basis(self, request: PageRequest) -> PageBasis:
        """Steps 3 and 4 of the life of a page."""
        history = self._histories.get(request.user_id)
        bundle = None if self._model is None else self._model.bundle
        steps_max = STEPS_MAX if bundle is None else bundle.steps_max
        context = NO_CONTEXT if bundle is None else bundle.context
        catalog = self.catalog
        prompt = build_prompt(
            history,
            Profile(),
            request.half,
            catalog=catalog,
            steps_max=steps_max,
            context=context,
        )
        facts = facts_of(request, history, Profile(), catalog)
        return PageBasis(
            page=request,
            history=history,
            prompt=prompt,
            steps_max=steps_max,
            context=context,
            rules=compile_rules(self._catalog, facts, self._popular),
            model_version="" if self._model is None else self._model.version,
            arm=CHAMPION,
        )

    def _rows(self, basis: PageBasis) -> list[events_pb2.ServedRow]:
        """Step 6: the page's rows, with each token's log-probability."""
        return served_rows(self._events(basis), basis.snapshot)

    def _events(self, basis: PageBasis) -> Iterable[PageEvent]:
        if self._model is None:
            return popular_page(basis.rules, self._scores_N)
        return whole_page(self._model, basis.prompt, basis.rules, decode_options(basis.page))

    def _rank(self, at_ms: int) -> None:
        """All scores are as of one moment; their order does not depend on which."""
        entities = self.catalog.entities
        scores_N = np.array([self._counts.get(e.entity_id, 0.0) for e in entities], np.float32)
        self._scores_N, self._ranked_ms = scores_N, at_ms
        self._popular = np.argsort(-scores_N, kind="stable")[: np.count_nonzero(scores_N)]


def _request(visit: Visit, at_ms: int, seed: int, number: int, explore: Exploration) -> PageRequest:
    return PageRequest(
        clock=PageClock.start(None),
        page_id=f"{visit.session_id}-{number}",
        user_id=visit.user_id,
        half=RequestHalf(at_ms=at_ms, device=visit.device, surface=SURFACE),
        context=visit.context(),
        rows=ROWS,
        entities_per_row=ENTITIES_PER_ROW,
        rules=rules_pb2.RequestRules(),
        exact_entities=EXACT_ENTITIES,
        seed=seed,
        entity_by_entity=False,
        sampling=explore.sampling(seed),
    )
