"""Drawn pages, judged by other policies under the same rules, request and history."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from engine.multi_stage.factories_multi_stage import tables_of, write_multi_stage
from eventlog.factories_eventlog import event_log
from factories import START_MS, play
from server.experiments.test_replay import Ingest
from server.factories_browse import hide
from server.factories_server import House, eventually

from pagecast.engine.bundles.bundle import load_bundle
from pagecast.engine.multi_stage.bundle import load_multi_stage
from pagecast.featurestore.experiments.off_policy import NothingDrawn, estimate_off_policy
from pagecast.featurestore.pages.logged_pages import EntityOutcome, LoggedPageOutcome, logged_pages
from pagecast.server.experiments.off_policy import LogOfPages, Target, drawn_pages
from pagecast.v1 import events_pb2

PAGES = 4
DONE = (play("ada", "m3", START_MS - 60_000), hide("ada", "m7", START_MS - 50_000))
"""By somebody with a history."""


@pytest.fixture
def bootstrap(tmp_path: Path) -> Iterator[str]:
    with event_log(tmp_path) as servers:
        yield servers


async def serve_pages(house: House, bootstrap: str, temperature: float) -> Ingest:
    """Pages of somebody with a history and of strangers, in the offline log."""
    ingest = Ingest(house)
    ingest.events(*DONE)
    sampling = events_pb2.Sampling(temperature=temperature)
    async with house.serve(bootstrap_servers=bootstrap) as served:
        for number in range(PAGES):
            user_id = "ada" if number == 0 else f"stranger-{number}"
            shape = {"rows": 2, "entities_per_row": 4, "seed": 1 + number}
            await served.page(user_id, sampling=sampling, **shape)
        sent = {"outcome": "sent"}
        await eventually(lambda: served.metric("pagecast_pages_reported_total", **sent) == PAGES)
    await ingest.pages(bootstrap, PAGES)
    return ingest


async def test_drawn_pages_have_their_probability_under_any_model(
    house: House, bootstrap: str
) -> None:
    version = house.train_champion()
    ingest = await serve_pages(house, bootstrap, 1.5)
    source = LogOfPages(log=ingest.log, catalog=house.catalog)
    pages = list(logged_pages(ingest.log))
    itself = Target(bundle=load_bundle(house.paths.bundles / version), temperature=1.5)
    same = await asyncio.to_thread(drawn_pages, source, pages, itself)
    np.testing.assert_allclose(same.log_target_P, same.log_drawn_P, atol=1e-3)
    assert estimate_off_policy(same).effective == pytest.approx(PAGES, rel=1e-3)
    ids = [e.entity_id for e in house.catalog.snapshot().entities]
    folder = write_multi_stage(house.paths.bundles, tables_of(ids))
    rival = Target(bundle=load_multi_stage(folder), temperature=1.5)
    other = await asyncio.to_thread(drawn_pages, source, pages, rival)
    assert np.isfinite(other.log_target_P).all()
    assert not np.allclose(other.log_target_P, other.log_drawn_P, atol=0.1)
    assert (other.log_drawn_P == same.log_drawn_P).all()


def record_of(page: LoggedPageOutcome) -> events_pb2.PageServed:
    return events_pb2.PageServed.FromString(page.value)


def all_clicked(page: LoggedPageOutcome, rows: int) -> LoggedPageOutcome:
    """Left behind so many rows; each entity of them was clicked."""
    record = record_of(page)
    del record.rows[rows:]
    nothing = (False, False, 0, False, None, False, False, False, False)
    clicked = (
        EntityOutcome(entity_id, row.row_id, position, place, True, True, *nothing)
        for position, row in enumerate(record.rows)
        for place, entity_id in enumerate(row.entity_ids)
    )
    return page._replace(value=record.SerializeToString(), entities=tuple(clicked))


async def test_a_page_that_was_left_is_compared_with_as_much_of_the_target_s(
    house: House, bootstrap: str
) -> None:
    version = house.train_champion()
    ingest = await serve_pages(house, bootstrap, 1.5)
    source = LogOfPages(log=ingest.log, catalog=house.catalog)
    pages = [
        all_clicked(page, rows=1 if page.user_id == "ada" else 2)
        for page in logged_pages(ingest.log)
    ]
    itself = Target(bundle=load_bundle(house.paths.bundles / version), temperature=1.5)
    found = await asyncio.to_thread(drawn_pages, source, pages, itself)
    left = [page.user_id for page in pages].index("ada")
    assert found.reward_P[left] > 0
    assert found.predicted_P[left] == pytest.approx(found.reward_P[left])
    assert found.expected_P[left] == pytest.approx(found.reward_P[left])
    assert found.log_target_P[left] == pytest.approx(found.log_drawn_P[left], abs=1e-3)


@pytest.mark.parametrize("ingested", [0, 1])
async def test_what_was_done_counts_on_a_page_before_it_is_ingested(
    house: House, bootstrap: str, ingested: int
) -> None:
    version = house.train_champion()
    ingest = await serve_pages(house, bootstrap, 1.5)
    source = LogOfPages(log=ingest.log, catalog=house.catalog)
    (page,) = (page for page in logged_pages(ingest.log) if page.user_id == "ada")
    record = record_of(page)
    record.actions.extend(DONE[ingested:])
    if ingested:
        record.history_version.next_offset = ingested
    else:
        record.ClearField("history_version")
    early = page._replace(value=record.SerializeToString())
    itself = Target(bundle=load_bundle(house.paths.bundles / version), temperature=1.5)
    found = await asyncio.to_thread(drawn_pages, source, [early], itself)
    assert found.log_target_P == pytest.approx(found.log_drawn_P, abs=1e-3)


async def test_a_caller_s_greatest_seed_is_one_like_others(house: House, bootstrap: str) -> None:
    version = house.train_champion()
    ingest = await serve_pages(house, bootstrap, 1.5)
    source = LogOfPages(log=ingest.log, catalog=house.catalog)
    page, *_ = (page for page in logged_pages(ingest.log) if page.user_id != "ada")
    record = record_of(page)
    record.seed = 2**64 - 1
    last = page._replace(value=record.SerializeToString())
    itself = Target(bundle=load_bundle(house.paths.bundles / version), temperature=1.5)
    found = await asyncio.to_thread(drawn_pages, source, [last], itself)
    assert found.log_target_P == pytest.approx(found.log_drawn_P, abs=1e-3)


async def test_pages_of_the_best_tokens_have_no_estimate(house: House, bootstrap: str) -> None:
    version = house.train_champion()
    ingest = await serve_pages(house, bootstrap, 0.0)
    target = Target(bundle=load_bundle(house.paths.bundles / version))
    source = LogOfPages(log=ingest.log, catalog=house.catalog)
    with pytest.raises(NothingDrawn, match="none of 4 pages was drawn: an arm that takes the best"):
        drawn_pages(source, list(logged_pages(ingest.log)), target)


def test_a_target_that_takes_the_best_token_is_refused(tmp_path: Path) -> None:
    bundle = load_multi_stage(write_multi_stage(tmp_path, tables_of(["a"])))
    with pytest.raises(ValueError, match="temperature: must be above 0"):
        Target(bundle=bundle, temperature=0.0)
