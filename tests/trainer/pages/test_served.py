"""Prompts of served pages: for any stream of events, cut anywhere."""

import tempfile
from pathlib import Path

import pytest
import sqlalchemy as sa
from factories import START_MS, movie, timestamp, upsert
from factories_databases import migrated
from factories_featurestore import TOPIC, Event, event_streams
from hypothesis import given, settings
from hypothesis import strategies as st

from pagecast.featurestore.catalog.catalog import Catalog
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.history.fold import FoldConfig, apply_token, begin
from pagecast.featurestore.history.history import History, Profile
from pagecast.featurestore.history.packing import profile_change
from pagecast.featurestore.history.tokens import token_of
from pagecast.featurestore.offline import LoggedEvent, LoggedPage, OfflineLog
from pagecast.featurestore.positions import LogOffset
from pagecast.featurestore.prompt.prompt import RequestHalf, build_prompt
from pagecast.trainer.pages.served import served_prompts
from pagecast.v1 import events_pb2

FOLD = FoldConfig(steps_max=6, evicted_together=2)
HALF = RequestHalf(at_ms=START_MS, device="tv", country="NL", language="nl", surface="home")
PROFILE = Profile(language="nl", maturity_limit=12, occurred_at_ms=START_MS)


def catalog_of(engine: sa.Engine) -> Catalog:
    """e1 is a drama up to number 2, and a comedy from 3 on."""
    catalog = Catalog(engine)
    changes = [movie("e1", "Drama"), movie("e2", "Drama"), movie("e1", "Comedy")]
    catalog.apply(
        [
            (LogOffset(topic_id="catalog", partition=0, offset=n), upsert(change))
            for n, change in enumerate(changes)
        ]
    )
    return catalog


def served(history: History | None, snapshot: CatalogSnapshot, steps_max: int) -> LoggedPage:
    """The record a server would have written."""
    prompt = build_prompt(history, PROFILE, HALF, catalog=snapshot, steps_max=steps_max)
    page = events_pb2.PageServed(
        user_id="ada",
        requested_at=timestamp(HALF.at_ms),
        context=events_pb2.RequestContext(
            device=HALF.device, country=HALF.country, language=HALF.language, surface=HALF.surface
        ),
        catalog_number=snapshot.number,
        prompt_sha256=prompt.sha256(),
        profile=profile_change("ada", PROFILE),
        steps_max=steps_max,
    )
    if history is not None:
        version = events_pb2.HistoryVersion(topic_id=TOPIC, next_offset=history.next_offset)
        page.history_version.CopyFrom(version)
    return LoggedPage("pages", 0, 0, page, page.SerializeToString())


@settings(max_examples=25)
@given(events=event_streams(events_max=25), data=st.data())
def test_prompts_of_pages_cut_anywhere_are_those_of_the_server(
    events: list[Event], data: st.DataObject
) -> None:
    engine = migrated("sqlite://")
    catalog = catalog_of(engine)
    snapshots = [catalog.snapshot(number) for number in range(4)]
    history, pages, rows = History("ada"), [], []
    begin(history, TOPIC, 0)
    for offset, event in enumerate(events):
        row = LoggedEvent(TOPIC, 0, offset, token_of(event), event.SerializeToString())
        rows.append(row)
        apply_token(history, row.token, offset, FOLD)
        if data.draw(st.booleans()):
            snapshot = data.draw(st.sampled_from(snapshots))
            pages.append(served(history, snapshot, data.draw(st.sampled_from((0, 3, 6)))))
    pages.append(served(None, snapshots[1], 6))
    with tempfile.TemporaryDirectory() as folder:
        log = OfflineLog(Path(folder))
        log.append(rows)
        rebuilt = list(served_prompts(log, catalog, pages, fold=FOLD))
    engine.dispose()
    assert len(rebuilt) == len(pages)
    for page, prompt in rebuilt:
        assert prompt.sha256() == page.page.prompt_sha256


def test_a_page_of_another_catalog_is_refused(tmp_path: Path) -> None:
    engine = migrated("sqlite://")
    catalog = catalog_of(engine)
    page = served(None, CatalogSnapshot(number=99, entities=(), rows=()), 6)
    with pytest.raises(ValueError, match="number 3, not at 99"):
        list(served_prompts(OfflineLog(tmp_path), catalog, [page]))
    engine.dispose()
