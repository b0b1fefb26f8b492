"""A hanging database brings no news of erasures, and delays no page."""

import asyncio
import time
from collections.abc import Iterator
from unittest.mock import patch

import pytest
from factories import START_MS
from factories_silent import silent_host, silent_postgresql
from server.factories_browse import browsing
from server.factories_server import House

from pagecast.featurestore.database import CONNECT_SECONDS_MAX, connect
from pagecast.featurestore.erasures import Erasures
from pagecast.server.browse import erasure_watch
from pagecast.server.browse.erasure_watch import ErasureWatch

TIME_S = 0.1


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[ErasureWatch]:
    """What it waits for ends with the host, or after ten seconds."""
    monkeypatch.setattr(erasure_watch, "ERASURES_TIME_MAX_S", TIME_S)
    with silent_host() as port:
        engine = connect(silent_postgresql(port))
        watch = ErasureWatch(Erasures(engine))
        yield watch
        watch.close()
        engine.dispose()


def test_the_newest_order_is_told(house: House) -> None:
    erasures = Erasures(house.engine)
    watch = ErasureWatch(erasures)
    assert watch.newest_ms("ada") == 0
    Erasures(house.engine).begin("receipt", "ada", "t", 0, 1, START_MS)
    assert watch.newest_ms("ada") == START_MS
    assert watch.newest_ms("bob") == 0
    watch.close()


def test_while_the_database_hangs_looks_fail_at_once_and_none_is_queued(
    hanging: ErasureWatch,
) -> None:
    assert hanging.newest_ms("ada") is None
    began_s = time.monotonic()
    for _ in range(100):
        assert hanging.newest_ms("ada") is None
    assert time.monotonic() - began_s < 100 * TIME_S / 4


async def test_pages_are_made_and_browsed_while_it_hangs(
    house: House, hanging: ErasureWatch
) -> None:
    house.train_champion()
    async with house.serve() as served:
        # What the service was given is what it asks.
        with patch.dict(vars(served.server.resources), erasures=hanging):
            async with asyncio.timeout(CONNECT_SECONDS_MAX / 2):
                async with browsing(served, rows_ahead=1) as browser:
                    await browser.row(0)
                    await browser.see(0)
                    await browser.row(1)
                page = await served.page("bob")
    assert page.started.degraded_reason == ""
