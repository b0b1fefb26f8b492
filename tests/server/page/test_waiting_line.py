"""No client starves another, and the line never holds more than it was given room for."""

from hypothesis import given
from hypothesis import strategies as st

from pagecast.server.page.waiting_line import WaitingLine

CLIENTS = st.sampled_from("abcd")
ARRIVALS = st.lists(CLIENTS, max_size=60)


def line_of(arrivals: list[str]) -> WaitingLine[int]:
    """Who waits is a number, in the order of arrival."""
    line: WaitingLine[int] = WaitingLine()
    for number, client in enumerate(arrivals):
        line.join(client, number)
    return line


@given(ARRIVALS)
def test_each_waits_for_one_of_every_other_client_between_two_of_its_own(
    arrivals: list[str],
) -> None:
    line = line_of(arrivals)
    served = [line.next() for _ in arrivals]
    assert len(line) == 0
    assert sorted(served) == list(range(len(arrivals)))
    for client in set(arrivals):
        own = [place for place, number in enumerate(served) if arrivals[number] == client]
        assert [served[place] for place in own] == sorted(served[place] for place in own)
        for before, after in zip([-1, *own], own, strict=False):
            between = [arrivals[number] for number in served[before + 1 : after]]
            assert len(between) == len(set(between))


@given(st.lists(st.tuples(CLIENTS, st.booleans()), max_size=60))
def test_who_leaves_is_out_and_nobody_else(arrivals: list[tuple[str, bool]]) -> None:
    line = line_of([client for client, _ in arrivals])
    for number, (client, leaves) in enumerate(arrivals):
        if leaves:
            assert line.leave(client, number)
            assert not line.leave(client, number)
    stayed = {number for number, (_, leaves) in enumerate(arrivals) if not leaves}
    assert len(line) == len(stayed)
    assert {line.next() for _ in range(len(line))} == stayed


@given(ARRIVALS, CLIENTS, st.sets(st.integers(0, 59)))
def test_room_is_made_by_the_newest_of_who_waits_with_most_and_may_go(
    arrivals: list[str], client: str, staying: set[int]
) -> None:
    line: WaitingLine[int] = WaitingLine()
    for number, one in enumerate(arrivals):
        line.join(one, number, stays=number in staying)
    may_go = [one for number, one in enumerate(arrivals) if number not in staying]
    assert line.movable == len(may_go)
    most = max(map(may_go.count, may_go), default=0)
    could = line.could_make_room(client)
    assert (len(line), line.movable) == (len(arrivals), len(may_go))
    pushed_out = line.make_room(client)
    assert could == (pushed_out is not None)
    if most < may_go.count(client) + 2:
        assert pushed_out is None
        assert len(line) == len(arrivals)
        return
    assert pushed_out is not None
    loser = arrivals[pushed_out]
    assert may_go.count(loser) == most
    own = {number for number, one in enumerate(arrivals) if one == loser}
    assert pushed_out == max(own - staying)
    assert (len(line), line.movable) == (len(arrivals) - 1, len(may_go) - 1)


@given(ARRIVALS)
def test_a_flood_is_cut_to_what_others_leave(arrivals: list[str]) -> None:
    """With room for ten, a client that keeps coming ends with no less than its share."""
    line: WaitingLine[int] = WaitingLine()
    waiting: dict[int, str] = {}
    for number, client in enumerate(arrivals):
        if len(line) == 10:
            out = line.make_room(client)
            if out is None:
                continue
            del waiting[out]
        line.join(client, number)
        waiting[number] = client
        assert len(line) == len(waiting) <= 10
    held = list(waiting.values())
    for client in set(arrivals):
        fair = min(arrivals.count(client), 10 // len(set(arrivals)))
        assert held.count(client) >= fair
