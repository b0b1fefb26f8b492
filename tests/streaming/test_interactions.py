"""What is written, and kept, when another worker was faster."""

from collections.abc import Iterator

import pytest
from streaming.factories_erasing import ORDER_OFFSET, Stores, order, plays, stores_of

from pagecast.featurestore.catalog.popularity import Popularity
from pagecast.featurestore.history.fold import DEFAULT_FOLD
from pagecast.featurestore.state import StatePaths
from pagecast.streaming.interactions import InteractionWriter


@pytest.fixture
def stores(paths: StatePaths) -> Iterator[Stores]:
    with stores_of(paths) as made:
        yield made


def writer_of(stores: Stores) -> InteractionWriter:
    popularity = Popularity(stores.engine)
    return InteractionWriter(stores.online, popularity, stores.erasures, DEFAULT_FOLD)


def test_events_from_before_an_order_that_another_worker_carried_out_are_not_kept(
    stores: Stores,
) -> None:
    """It woke up late, and was further than the owner, who works through what is before the order
    and holds the history."""
    owner = writer_of(stores)
    owner.write([*plays("ada", 1, 3), *plays("bob", 2)])
    stores.eraser.erase(order())
    bobs, after = plays("bob", 6), plays("ada", ORDER_OFFSET + 1)
    assert owner.write([*plays("ada", 5), *bobs, *plays("ada", 7)]).kept == bobs
    assert stores.users_online() == {"bob"}
    assert owner.write(after).kept == after
    assert stores.users_online() == {"ada", "bob"}
