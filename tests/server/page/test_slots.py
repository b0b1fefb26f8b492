"""Places are bounded, refused at once, and given client by client, in the order they were taken."""

import asyncio
import time

import pytest

from pagecast.server.page.slots import RETRY_MS_MAX, RETRY_MS_MIN, Place, Slots, SlotsExhausted

PATIENCE_S = 10.0
ONE, OTHER, THIRD = "one", "other", "third"


async def begun(place: Place) -> bool:
    """Whether its turn has come."""
    try:
        await place.turn(0.001)
    except TimeoutError:
        return False
    return True


async def test_beyond_slots_and_queue_a_page_is_refused_at_once() -> None:
    slots = Slots(slots_max=1, waiting_max=2)
    places = [slots.take(ONE) for _ in range(3)]
    assert (slots.in_use, slots.waiting) == (1, 2)
    with pytest.raises(SlotsExhausted, match="1 slots taken, 2 waiting"):
        slots.take(ONE)
    places[0].leave()
    slots.take(ONE)
    assert (slots.in_use, slots.waiting) == (1, 2)


async def test_whether_there_is_room_can_be_asked_without_taking_it() -> None:
    slots = Slots(slots_max=1, waiting_max=2)
    for _ in range(3):
        slots.check_room(ONE)
        slots.take(ONE)
    with pytest.raises(SlotsExhausted, match="1 slots taken, 2 waiting"):
        slots.check_room(ONE)
    slots.check_room(OTHER)  # for whom one of the two would make room
    assert (slots.in_use, slots.waiting) == (1, 2)
    assert slots.take(OTHER).client == OTHER


async def test_turns_come_in_the_order_places_were_taken() -> None:
    slots = Slots(slots_max=2, waiting_max=4)
    places = [slots.take(ONE) for _ in range(5)]
    assert [await begun(place) for place in places] == [True, True, False, False, False]
    places[0].leave()
    assert [await begun(place) for place in places[2:]] == [True, False, False]
    places[3].leave()
    places[1].leave()
    assert await begun(places[4])


async def test_who_waits_wakes_when_a_slot_is_left() -> None:
    slots = Slots(slots_max=1, waiting_max=1)
    first, second = slots.take(ONE), slots.take(ONE)
    turn = asyncio.create_task(second.turn(PATIENCE_S))
    await asyncio.sleep(0.01)
    assert not turn.done()
    first.leave()
    await turn
    assert second.waited_ms >= 10
    waited_ms = second.waited_ms
    await asyncio.sleep(0.01)
    assert second.waited_ms == waited_ms


async def test_leaving_twice_frees_one_slot() -> None:
    slots = Slots(slots_max=2, waiting_max=2)
    places = [slots.take(ONE) for _ in range(4)]
    places[0].leave()
    places[0].leave()
    assert (slots.in_use, slots.waiting) == (2, 1)


async def test_a_cancelled_wait_leaves_its_place_to_the_caller() -> None:
    slots = Slots(slots_max=1, waiting_max=1)
    first, second = slots.take(ONE), slots.take(ONE)
    turn = asyncio.create_task(second.turn(PATIENCE_S))
    await asyncio.sleep(0)
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
    second.leave()
    assert (slots.in_use, slots.waiting) == (1, 0)
    first.leave()
    assert (slots.in_use, slots.waiting) == (0, 0)


async def test_ten_thousand_places_that_are_left_leave_nothing_behind() -> None:
    slots = Slots(slots_max=1, waiting_max=2)
    slots.take(ONE)
    for _ in range(10_000):
        slots.take(ONE).leave()
    assert (slots.in_use, slots.waiting) == (1, 0)


async def test_the_retry_delay_follows_the_pace_of_the_pages() -> None:
    slots = Slots(slots_max=1, waiting_max=40)
    assert slots.retry_delay_ms == RETRY_MS_MIN
    places = [slots.take(ONE) for _ in range(41)]
    for place in places[:30]:
        await asyncio.sleep(0.004)
        place.leave()
    assert RETRY_MS_MIN < slots.retry_delay_ms <= RETRY_MS_MAX
    assert slots.retry_delay_ms >= 40 / 2 * 4 * 0.8


async def test_taking_never_waits() -> None:
    slots = Slots(slots_max=1, waiting_max=0)
    slots.take(ONE)
    began_s = time.monotonic()
    for _ in range(100):
        with pytest.raises(SlotsExhausted):
            slots.take(ONE)
    assert time.monotonic() - began_s < 0.5


@pytest.mark.parametrize(("slots_max", "waiting_max"), [(0, 1), (1, -1)])
def test_bounds_that_cannot_be_are_refused(slots_max: int, waiting_max: int) -> None:
    with pytest.raises(ValueError, match="cannot be"):
        Slots(slots_max, waiting_max)


async def test_clients_take_turns() -> None:
    slots = Slots(slots_max=1, waiting_max=100)
    held = slots.take(ONE)
    flood = [slots.take(ONE) for _ in range(90)]
    late = [slots.take(OTHER), slots.take(OTHER), slots.take(THIRD)]
    order = []
    for _ in range(6):
        held.leave()
        (held,) = [place for place in (*flood, *late) if await begun(place) and place not in order]
        order.append(held)
    assert order == [flood[0], late[0], late[2], flood[1], late[1], flood[2]]


async def test_a_full_line_makes_room_for_who_waits_with_less() -> None:
    slots = Slots(slots_max=1, waiting_max=4)
    flood = [slots.take(ONE) for _ in range(5)]
    other = slots.take(OTHER)
    assert (slots.in_use, slots.waiting) == (1, 4)
    with pytest.raises(SlotsExhausted, match="made room"):
        await flood[-1].turn(PATIENCE_S)
    flood[-1].leave()
    with pytest.raises(SlotsExhausted, match="4 waiting"):
        slots.take(ONE)
    flood[0].leave()
    flood[1].leave()
    assert await begun(other)


async def test_who_waits_with_as_much_gets_no_room() -> None:
    slots = Slots(slots_max=1, waiting_max=3)
    for client in (ONE, ONE, OTHER, THIRD):
        slots.take(client)
    for client in (ONE, OTHER, THIRD, "fourth"):
        with pytest.raises(SlotsExhausted, match="3 waiting"):
            slots.take(client)


async def test_a_page_goes_on_in_its_client_s_turn_however_full_the_line_is() -> None:
    slots = Slots(slots_max=1, waiting_max=2)
    held = slots.take(ONE)
    waiting = [slots.take(ONE), slots.take(ONE)]
    later = [slots.take_on(OTHER), slots.take_on(ONE)]
    assert slots.waiting == 4
    with pytest.raises(SlotsExhausted, match="4 waiting"):
        slots.take(ONE)
    order = []
    for _ in range(4):
        held.leave()
        (held,) = [p for p in (*waiting, *later) if await begun(p) and p not in order]
        order.append(held)
    assert order == [waiting[0], later[0], waiting[1], later[1]]


async def test_pages_that_go_on_take_no_room_and_make_none() -> None:
    slots = Slots(slots_max=1, waiting_max=2)
    slots.take(ONE)
    later = [slots.take_on(ONE) for _ in range(10)]
    first = [slots.take(ONE), slots.take(ONE)]
    other = slots.take(OTHER)
    with pytest.raises(SlotsExhausted, match="made room"):
        await first[1].turn(PATIENCE_S)
    assert not any([await begun(place) for place in (*later, first[0], other)])
    with pytest.raises(SlotsExhausted):
        slots.take(ONE)
