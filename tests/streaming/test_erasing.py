"""The order is carried out in every store, once, whoever dies or wakes up in between."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from factories import START_MS, forget
from factories_forking import forking
from streaming.factories_erasing import (
    COMPLETED_MS,
    ORDER_OFFSET,
    TOPIC_ID,
    Stores,
    history,
    logged,
    order,
    page,
    plays,
    stores_of,
)

from pagecast.featurestore.history.history import Profile
from pagecast.featurestore.state import StatePaths
from pagecast.streaming.erasing import is_forgotten, survivors


@pytest.fixture
def stores(paths: StatePaths) -> Iterator[Stores]:
    with stores_of(paths) as made:
        yield made


def bytes_of(root: Path) -> bytes:
    """All that is in all files."""
    return b"".join(path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file())


def test_nothing_is_left_of_a_user_and_everything_of_the_others(stores: Stores) -> None:
    stores.fill()
    receipt = stores.eraser.erase(order())
    assert stores.users_online() == {"bob"}
    assert stores.users_offline() == {"bob"}
    assert stores.online.read_profile("ada") == Profile()
    assert stores.online.read_profile("bob") != Profile()
    assert receipt.rows_erased == 4, "three events and a page"
    assert (receipt.requested_at_ms, receipt.completed_at_ms) == (START_MS, COMPLETED_MS)
    assert receipt.next_offset == ORDER_OFFSET + 1


def test_a_user_of_whom_nothing_is_known_gets_a_receipt_as_well(stores: Stores) -> None:
    receipt = stores.eraser.erase(order("nobody"))
    assert receipt.completed_at_ms == COMPLETED_MS
    assert receipt.rows_erased == 0


def test_an_order_that_comes_again_leaves_the_new_history_alone(stores: Stores) -> None:
    stores.fill()
    first = stores.eraser.erase(order())
    returned = plays("ada", ORDER_OFFSET + 1)
    assert stores.write(returned) == []
    assert stores.eraser.erase(order()) == first, "a replay"
    assert stores.eraser.erase(order(offset=ORDER_OFFSET + 9)) == first, "a producer's retry"
    assert stores.users_online() == {"ada", "bob"}
    assert [row for row in stores.offline.read() if row.token.user_id == "ada"] == returned


def test_an_order_read_again_erases_what_a_backup_brought_back(stores: Stores) -> None:
    """The database is newer than the stores: to it the order is complete."""
    stores.fill()
    given = order()
    stores.erasures.begin(
        given.receipt_id, "ada", TOPIC_ID, 0, ORDER_OFFSET + 1, given.requested_at_ms
    )
    stores.erasures.complete(given.receipt_id, 7, COMPLETED_MS - 1)
    receipt = stores.eraser.erase(given)
    assert stores.users_online() == stores.users_offline() == {"bob"}
    assert stores.online.read_profile("ada") == Profile()
    assert (receipt.rows_erased, receipt.completed_at_ms) == (7, COMPLETED_MS - 1), "the first"


def test_a_log_that_went_on_behind_a_complete_order_is_not_looked_through_again(
    stores: Stores,
) -> None:
    """Or a replay would look through all of it for every order there ever was."""
    stores.fill()
    stores.eraser.erase(order())
    stores.offline.append([*plays("bob", ORDER_OFFSET + 1), *plays("ada", 0)])
    stores.eraser.erase(order())
    assert stores.users_offline() == {"ada", "bob"}


@pytest.mark.parametrize("place", ["tombstone", "erased online", "erased offline"])
def test_a_worker_killed_anywhere_carries_it_out_when_it_is_back(
    place: str, stores: Stores, paths: StatePaths
) -> None:
    stores.fill()
    process = forking().Process(target=_erase_and_die, args=(paths, place))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    open_receipt = stores.erasures.receipt(order().receipt_id)
    assert open_receipt is not None
    assert open_receipt.completed_at_ms is None, "not before it is done"
    assert stores.erasures.floors(["ada"]), "in force from the first"
    assert stores.eraser.erase(order()).completed_at_ms == COMPLETED_MS
    assert stores.users_online() == stores.users_offline() == {"bob"}


def _erase_and_die(paths: StatePaths, place: str) -> None:
    os.environ["PAGECAST_FAILPOINT"] = f"{place}:1:SIGKILL"
    with stores_of(paths) as opened:
        opened.eraser.erase(order())


def test_no_file_of_any_store_names_the_user(paths: StatePaths) -> None:
    with stores_of(paths) as stores:
        rows = plays("ada-lovelace", 1, 3)
        stores.write(rows)
        stores.write(plays("bob", 2))
        assert b"ada-lovelace" in bytes_of(paths.root)
        stores.eraser.erase(order("ada-lovelace"))
        assert b"ada-lovelace" not in bytes_of(paths.root), "while the stores are open"
    assert b"ada-lovelace" not in bytes_of(paths.root)


def test_a_late_write_of_another_worker_is_refused(stores: Stores) -> None:
    stores.fill()
    stores.eraser.erase(order())
    assert stores.online.write_histories([history(plays("ada", 1, 3, 5, 7))]) == ["ada"]
    assert stores.users_online() == {"bob"}


def test_a_worker_that_wakes_up_late_erases_again_what_it_brought_back(stores: Stores) -> None:
    """It slept for longer than the online store's own fence stands: the tombstone alone is left."""
    stores.fill()
    stores.erasures.begin("r1", "ada", TOPIC_ID, 0, ORDER_OFFSET + 1, START_MS)
    assert stores.write(plays("ada", 1, 3, 5, 7)) == []
    assert stores.users_online() == stores.users_offline() == {"ada", "bob"}
    assert stores.eraser.sweep(["ada", "bob"], TOPIC_ID) == 1
    assert stores.users_online() == stores.users_offline() == {"bob"}


def test_sweeping_spares_the_history_that_began_after_the_order(stores: Stores) -> None:
    stores.fill()
    stores.eraser.erase(order())
    returned = plays("ada", ORDER_OFFSET + 1)
    stores.write(returned)
    assert stores.eraser.sweep(["ada", "bob"], TOPIC_ID) == 0
    assert stores.users_online() == {"ada", "bob"}
    assert [row for row in stores.offline.read() if row.token.user_id == "ada"] == returned


def test_sweeping_and_the_order_read_again_spare_the_pages_that_were_made_after_it(
    stores: Stores,
) -> None:
    stores.fill()
    stores.eraser.erase(order())
    made_after = [page("ada", 6, next_offset=ORDER_OFFSET + 2), page("ada", 7, at_ms=START_MS + 1)]
    assert stores.eraser.surviving_pages(made_after) == made_after
    stores.offline.append_pages(made_after)
    stores.eraser.sweep(["ada"], TOPIC_ID)
    stores.eraser.erase(order())
    assert [row for row in stores.offline.read_pages() if row.page.user_id == "ada"] == made_after


def test_a_floor_of_another_log_erases_nothing_of_this_one(stores: Stores) -> None:
    stores.eraser.erase(order())
    [row] = plays("ada", 3)
    stores.write([row._replace(topic_id="interactions-2")])
    assert stores.eraser.sweep(["ada"], "interactions-2") == 0
    assert stores.users_online() == stores.users_offline() == {"ada"}


def test_pages_from_before_the_order_are_not_logged_after_it(stores: Stores) -> None:
    stores.eraser.erase(order())
    built_on_old = page("ada", 1, at_ms=START_MS + 60_000, next_offset=ORDER_OFFSET)
    built_on_new = page("ada", 2, next_offset=ORDER_OFFSET + 2)
    before, after = page("ada", 3), page("ada", 4, at_ms=START_MS + 1)
    bobs = page("bob", 5)
    pages = [built_on_old, built_on_new, before, after, bobs]
    assert stores.eraser.surviving_pages(pages) == [built_on_new, after, bobs]


def test_pages_are_logged_as_they_are_while_nobody_was_forgotten(stores: Stores) -> None:
    pages = [page("ada", 1), page("bob", 2)]
    assert stores.eraser.surviving_pages(pages) == pages


def test_of_a_batch_only_what_comes_after_the_order_survives() -> None:
    before, bobs, after = plays("ada", 97), plays("bob", 98, 102), plays("ada", 103)
    rows = [*before, bobs[0], logged(forget("ada"), 100), bobs[1], *after]
    assert survivors(rows, {"ada": {(TOPIC_ID, 0): 101}}) == [*bobs, *after]


def test_an_order_is_never_logged_even_one_that_has_no_effect() -> None:
    assert survivors([logged(forget("ada"), 200)], {"ada": {(TOPIC_ID, 0): 101}}) == []


def test_floors_of_another_partition_or_log_let_rows_through() -> None:
    rows = plays("ada", 5)
    assert survivors(rows, {"ada": {(TOPIC_ID, 1): 101, ("interactions-2", 0): 101}}) == rows
    assert survivors(rows, {}) == rows


def test_a_history_is_forgotten_up_to_the_place_of_the_order() -> None:
    floors = {(TOPIC_ID, 0): ORDER_OFFSET + 1}
    assert is_forgotten(history(plays("ada", ORDER_OFFSET - 1)), floors)
    assert not is_forgotten(history(plays("ada", ORDER_OFFSET + 1)), floors)
    assert not is_forgotten(history(plays("ada", 1)), {(TOPIC_ID, 1): ORDER_OFFSET + 1})
