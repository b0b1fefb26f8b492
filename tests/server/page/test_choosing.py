"""Which pages the decode loop is told to bring forward."""

import asyncio

import pytest
from server.factories_server import House, eventually

from pagecast.engine.batching.page_job import PageJob
from pagecast.server.page import choosing


async def test_a_page_that_waited_long_for_its_slot_is_in_no_hurry_there(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.train_champion()
    async with house.serve(slots_max=1, waiting_max=1) as served:
        slots, decoding = served.server.resources.slots, served.server.resources.decoding
        hurried: list[bool] = []
        submit = decoding.submit

        def submit_seen(job: PageJob) -> None:
            hurried.append(job.sink.in_a_hurry)
            submit(job)

        monkeypatch.setattr(decoding, "submit", submit_seen)
        await served.page("ada")
        monkeypatch.setattr(choosing, "HURRY_WAITED_MS_MAX", 20.0)
        held = slots.take("whose page takes its time")
        page = asyncio.create_task(served.page("ada"))
        await eventually(lambda: slots.waiting == 1)
        await asyncio.sleep(0.03)
        held.leave()
        assert (await page).rows
    assert hurried == [True, False]
