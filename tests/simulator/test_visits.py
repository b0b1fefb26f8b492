"""When members come: the same luck, however content they are."""

from dataclasses import replace

from simulator.factories_simulator import MIDNIGHT_MS, world

from pagecast.simulator.chance import Chance
from pagecast.simulator.member import new_member
from pagecast.simulator.visits import arrivals

WORLD = world()


def test_a_session_at_a_moment_has_the_same_number_however_content_a_member_is() -> None:
    more = 0
    for number in range(200):
        member = new_member(WORLD, Chance(1), number, f"u{number}")
        content = replace(member, satisfaction=0.6)
        day = Chance(2).below("day", number)
        few = arrivals(WORLD, member, day, MIDNIGHT_MS)
        many = arrivals(WORLD, content, day, MIDNIGHT_MS)
        assert set(few) <= set(many)
        assert many == sorted(many)
        more += len(many) > len(few) > 0
    assert more > 10
