"""The multi-stage baseline as an arm: the same RPC, rules, record, continuation and replay."""

import time

from engine.multi_stage.factories_multi_stage import tables_of, write_multi_stage
from factories import START_MS, movie, play, upsert
from server.factories_server import House

from pagecast.engine.multi_stage.manifest import MULTI_STAGE
from pagecast.featurestore.experiments.assignment import Arm
from pagecast.featurestore.experiments.store import Experiments
from pagecast.v1 import events_pb2


def with_baseline(house: House) -> str:
    """All users are in one of its arms; returns its version."""
    house.train_champion()
    ids = [e.entity_id for e in house.catalog.snapshot().entities]
    tables = tables_of(ids, together={("m0", "m6"): 1.0, ("m0", "m9"): 0.5})
    folder = write_multi_stage(house.paths.bundles, tables)
    house.registry.register(
        folder.name, parent_version=None, metrics={}, data={}, alias=MULTI_STAGE
    )
    house.registry.point("twin", folder.name, by="test")
    arms = [Arm(alias=alias, share=0.5) for alias in (MULTI_STAGE, "twin")]
    Experiments(house.engine).start("one", arms)
    return folder.name


async def test_users_of_its_arm_get_its_pages(house: House) -> None:
    version = with_baseline(house)
    house.remember("u", play("u", "m0", START_MS - 1000))
    async with house.serve() as served:
        page = await served.page("u")
    assert page.started.arm in {f"one/{MULTI_STAGE}", "one/twin"}
    assert page.started.model_version == version
    assert page.started.degraded_reason == ""
    assert "m0" not in page.entity_ids
    assert page.rows[0].entities[0].entity_id == "m6"


async def test_drawn_pages_are_the_same_for_a_seed_and_are_carried_on(house: House) -> None:
    with_baseline(house)
    drawn = {"seed": 5, "sampling": events_pb2.Sampling(temperature=1.0)}
    async with house.serve() as served:
        one, again = [await served.page("u", **drawn) for _ in range(2)]
        other = await served.page("u", seed=6, sampling=events_pb2.Sampling(temperature=1.0))
        rest = await served.page("u", continuation=one.rows[1].continuation)
    assert one.shape == again.shape != other.shape
    assert rest.started.model_version == one.started.model_version
    assert not rest.shape.keys() & list(one.shape)[:2]


async def test_it_follows_the_catalog(house: House) -> None:
    with_baseline(house)
    async with house.serve() as served:
        number = house.change(upsert(movie("new", "Opera", released_ms=START_MS - 1)))
        began_s = time.monotonic()
        while (page := await served.page("u")).started.catalog_number != number:
            assert time.monotonic() - began_s < 10
    assert page.started.degraded_reason == ""
