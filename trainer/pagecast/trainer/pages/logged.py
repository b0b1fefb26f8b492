"""Reads logged pages as training examples: the server's prompt, its page, what became of it."""

from collections.abc import Iterator
from dataclasses import dataclass

import structlog

from pagecast.featurestore.catalog.catalog import Catalog
from pagecast.featurestore.database import connect, migrate
from pagecast.featurestore.offline import LoggedPage, NextOffsets, OfflineLog
from pagecast.featurestore.pages.logged_pages import LoggedPageOutcome, logged_pages
from pagecast.featurestore.pages.newest_pages import NewestPages
from pagecast.featurestore.prompt.prompt import Prompt
from pagecast.trainer.data.snapshot import Source
from pagecast.trainer.page_config import LoggedConfig
from pagecast.trainer.pages.served import served_prompts
from pagecast.trainer.pages.shown import Shown, ShownPage, ShownRow
from pagecast.v1 import events_pb2, rules_pb2

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Which pages: outcomes come from events before `until` (None: all), which end at `newest_ms`.

    Pages that were served later are no danger to a held-out slice: without events before `until`
    they have no outcomes, and pages without outcomes are left out.
    """

    until: NextOffsets | None
    newest_ms: int
    config: LoggedConfig


def read_shown(source: Source, reading: Reading) -> Shown:
    """The newest pages of which something was seen, in the order in which their prompts are built.

    Continuations of pages are left out: an example begins where a page begins. So are pages whose
    prompt cannot be built again (of another catalog database, say); those are counted as `unlike`.
    """
    log = OfflineLog(source.paths.offline)
    outcomes, older = _newest(log, reading)
    if not outcomes:
        return Shown()
    records = [_record(number, outcome) for number, outcome in enumerate(outcomes)]
    served = [record for record in records if not record.page.rows_before]
    engine = connect(source.database_url or source.paths.database_url)
    shown: list[ShownPage] = []
    try:
        migrate(engine)
        catalog = Catalog(engine)
        newest = catalog.number()
        reached = [record for record in served if record.page.catalog_number <= newest]
        for page, prompt in served_prompts(log, catalog, reached, fold=source.fold):
            if prompt.sha256() == page.page.prompt_sha256:
                shown.append(_shown(page.page, prompt, outcomes[page.offset], reading))
    finally:
        engine.dispose()
    if unlike := len(served) - len(shown):
        _log.warning("logged_pages_unlike", left_out=unlike, of=len(served))
    return Shown(pages=tuple(shown), unlike=unlike, older=older)


def _newest(log: OfflineLog, reading: Reading) -> tuple[list[LoggedPageOutcome], int]:
    """The newest seen pages, and how many others there are."""
    newest = NewestPages(reading.config.pages_max, reading.config.of_user_max)
    for outcome in _seen(log, reading):
        newest.add(outcome)
    return newest.pages, newest.left_out


def _shown(
    page: events_pb2.PageServed, prompt: Prompt, outcome: LoggedPageOutcome, reading: Reading
) -> ShownPage:
    # A copy: a part of a record keeps all of it in memory.
    asked = rules_pb2.RequestRules()
    asked.CopyFrom(page.rules_input.asked)
    return ShownPage(
        user_id=page.user_id,
        prompt=prompt,
        rows=tuple(shown_rows(page, outcome)),
        closed=prompt.request.at_ms + _window_ms(reading.config) <= reading.newest_ms,
        asked=asked,
    )


def _seen(log: OfflineLog, reading: Reading) -> Iterator[LoggedPageOutcome]:
    until = reading.until
    if until is not None:
        until = {**log.page_positions(), **until}
    for page in logged_pages(log, window_ms=_window_ms(reading.config), until=until):
        if page.entities:
            yield page


def _window_ms(config: LoggedConfig) -> int:
    return round(config.window_minutes * 60_000)


def _record(number: int, outcome: LoggedPageOutcome) -> LoggedPage:
    """The record of a page; its offset here is its place among the outcomes."""
    page = events_pb2.PageServed.FromString(outcome.value)
    return LoggedPage("", 0, number, page, outcome.value)


def shown_rows(page: events_pb2.PageServed, outcome: LoggedPageOutcome) -> Iterator[ShownRow]:
    """The rows of a page's record, each entity with what became of it."""
    by_place = {(e.row_position, e.entity_position): e for e in outcome.entities}
    for number, row in enumerate(page.rows):
        yield ShownRow(
            row_id=row.row_id,
            argument_id=row.argument_entity_id,
            entity_ids=tuple(row.entity_ids),
            outcomes=tuple(by_place.get((number, place)) for place in range(len(row.entity_ids))),
        )
