"""A logged page, decoded again from its record, after catalog, history and champion have moved on.

Needs what the record names: the user's events up to its history version in the offline log, the
catalog database, and the bundle. What was rebuilt is compared with the record's digests before
anything is decoded, so that a difference in the page never comes from its inputs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.compute as pc

from pagecast.engine.bundles.served_model import (
    ServedBundle,
    ServedModel,
    bind,
    following,
    load_served,
    whole_page,
)
from pagecast.engine.errors import BundleError
from pagecast.engine.following import Followed
from pagecast.engine.page_events import RowEnded
from pagecast.featurestore.catalog.catalog import Catalog
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.history.fold import DEFAULT_FOLD, FoldConfig
from pagecast.featurestore.history.history import History
from pagecast.featurestore.history.overlay import history_of_page
from pagecast.featurestore.offline import OfflineLog
from pagecast.featurestore.prompt.point_in_time import histories_as_of
from pagecast.featurestore.prompt.prompt import Prompt
from pagecast.featurestore.prompt.served_prompt import (
    place_of_page,
    prompt_of_page,
)
from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.rules.page_rules import PageRules
from pagecast.server.experiments.recorded_page import NotReplayable, rows_by_index, rules_of_page
from pagecast.server.page.options import decode_options
from pagecast.v1 import events_pb2


@dataclass(frozen=True, kw_only=True)
class Replay:
    """One record of a page, decoded again along its choices.

    `log_probability_difference_max` is the largest between the recorded and the new ones.
    """

    page: events_pb2.PageServed
    snapshot: CatalogSnapshot
    tokens: tuple[Followed, ...]
    log_probability_difference_max: float

    @property
    def differing(self) -> tuple[Followed, ...]:
        """Where another token would be picked now."""
        return tuple(token for token in self.tokens if not token.same)


@dataclass(frozen=True, kw_only=True)
class Replays:
    """Where pages, events, catalogs and bundles are; `fold` is what ingest was told."""

    log: OfflineLog
    catalog: Catalog
    bundles: Path
    fold: FoldConfig = DEFAULT_FOLD

    def replay(self, page_id: str) -> list[Replay]:
        """Each record of the page, in the order of its rows. Raises NotReplayable."""
        pages = self._records(page_id)
        if not pages:
            raise NotReplayable(
                f"no page {page_id} is in the offline log: it is not ingested yet, was not served"
                " with a Kafka, or its user was erased"
            )
        return [self._replay(page) for page in pages]

    def _records(self, page_id: str) -> list[events_pb2.PageServed]:
        table = self.log.pages.scan(["page"], where=pc.field("page_id") == page_id)
        # A record that was sent twice counts once.
        values = sorted(set(table["page"].to_pylist()))
        pages = [events_pb2.PageServed.FromString(value) for value in values]
        return sorted(pages, key=lambda page: len(page.rows_before))

    def _replay(self, page: events_pb2.PageServed) -> Replay:
        bundle, snapshot = self._bundle(page), self._snapshot(page)
        history = self._history(page)
        prompt = prompt_of_page(page, history, snapshot)
        if prompt.sha256() != page.prompt_sha256:
            raise NotReplayable(
                "the prompt comes out otherwise than it was: events of the user are missing in the"
                " offline log, or ingest was given another [fold]"
            )
        rules = rules_of_page(page, history, CompiledCatalog(snapshot))
        if rules.sha256 != page.rules_sha256:
            raise NotReplayable("the rules come out otherwise: they were another version's")
        return _decoded(page, bind(bundle, snapshot), prompt, rules)

    def _bundle(self, page: events_pb2.PageServed) -> ServedBundle:
        version = page.model_version
        if not version:
            raise NotReplayable(
                f"the page was made by popularity ({page.degraded_reason}): no model decoded it"
            )
        if not page.HasField("rules_input"):
            raise NotReplayable("the page was served by a version that recorded too little")
        try:
            return load_served(self.bundles / version)
        except BundleError as error:
            raise NotReplayable(f"the bundle of model {version} is gone: {error}") from error

    def _snapshot(self, page: events_pb2.PageServed) -> CatalogSnapshot:
        try:
            return self.catalog.snapshot(page.catalog_number)
        except ValueError as error:
            raise NotReplayable(f"the page is of another catalog database: {error}") from error

    def _history(self, page: events_pb2.PageServed) -> History | None:
        history = None
        if page.HasField("history_version"):
            [(_, history)] = histories_as_of(self.log, [place_of_page(page)], fold=self.fold)
        return history_of_page(page, history, self.fold)


def _decoded(
    page: events_pb2.PageServed, model: ServedModel, prompt: Prompt, rules: PageRules
) -> Replay:
    options = decode_options(page)
    recorded = rows_by_index(page.rows, model.snapshot)
    followed = following(model, options.picker(), recorded, len(rules.standing))
    events = whole_page(model, prompt, rules, options, followed)
    rows = 0
    while rows < len(recorded):
        rows += isinstance(next(events), RowEnded)
    events.close()
    return Replay(
        page=page,
        snapshot=model.snapshot,
        tokens=tuple(followed.tokens),
        log_probability_difference_max=_largest_difference(page, followed.tokens),
    )


def _largest_difference(page: events_pb2.PageServed, tokens: Sequence[Followed]) -> float:
    recorded = [
        log_probability
        for row in page.rows
        for log_probability in (row.log_probability, *row.entity_log_probabilities)
    ]
    pairs = zip(recorded, tokens, strict=True)
    return max((abs(was - token.log_probability) for was, token in pairs), default=0.0)
