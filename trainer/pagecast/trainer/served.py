"""The prompts of served pages, built again from the log: what training on logged pages reads.

The fold, the summary and the prompt are the server's own code, and a page says all that its prompt
was built from: so they are byte for byte the same, and `PageServed.prompt_sha256` proves it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

from pagecast.featurestore.catalog import Catalog
from pagecast.featurestore.context import NO_CONTEXT, ContextConfig
from pagecast.featurestore.fold import DEFAULT_FOLD, FoldConfig
from pagecast.featurestore.history import History, Profile
from pagecast.featurestore.offline import LoggedPage, OfflineLog
from pagecast.featurestore.packing import profile_of
from pagecast.featurestore.point_in_time import AtOffset, histories_as_of
from pagecast.featurestore.prompt import Prompt, RequestHalf, build_prompt
from pagecast.featurestore.snapshot import CatalogSnapshot
from pagecast.v1 import events_pb2

CATALOGS_HELD_MAX = 8
"""Catalogs of past numbers held at once: pages served together have few, and one may be large."""


def served_prompts(
    log: OfflineLog,
    catalog: Catalog,
    pages: Sequence[LoggedPage],
    *,
    fold: FoldConfig = DEFAULT_FOLD,
) -> Iterator[tuple[LoggedPage, Prompt]]:
    """The prompt of each page, user by user. `fold` is what ingest was told.

    Raises ValueError for a page of a catalog number that is not reached: it is of another database.
    """

    @lru_cache(CATALOGS_HELD_MAX)
    def catalog_at(number: int) -> CatalogSnapshot:
        return catalog.snapshot(number)

    strangers = [page for page in pages if not page.page.HasField("history_version")]
    known = [page for page in pages if page.page.HasField("history_version")]
    for page in strangers:
        yield page, _prompt(page.page, None, catalog_at(page.page.catalog_number))
    for number, history in histories_as_of(log, _places(known), fold=fold):
        page = known[number]
        yield page, _prompt(page.page, history, catalog_at(page.page.catalog_number))


def _places(pages: Iterable[LoggedPage]) -> Iterator[AtOffset]:
    for page in pages:
        version = page.page.history_version
        yield AtOffset(page.page.user_id, version.topic_id, version.next_offset)


def _prompt(
    page: events_pb2.PageServed, history: History | None, catalog: CatalogSnapshot
) -> Prompt:
    context = page.context
    return build_prompt(
        history,
        profile_of(page.profile) if page.HasField("profile") else Profile(),
        RequestHalf(
            at_ms=page.requested_at.ToMilliseconds(),
            device=context.device,
            country=context.country,
            language=context.language,
            surface=context.surface,
        ),
        catalog=catalog,
        steps_max=page.steps_max,
        context=_context(page),
    )


def _context(page: events_pb2.PageServed) -> ContextConfig:
    told = page.prompt_context
    return replace(NO_CONTEXT, new_max=told.new_max, new_days=told.new_days, live_max=told.live_max)
