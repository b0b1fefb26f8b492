"""What a request of the past says to the rules."""

from pathlib import Path

from trainer.factories_logged import PagesWorld

from pagecast.rules.facts import RequestFacts
from pagecast.trainer.data.request_facts import facts_of_prompt
from pagecast.v1 import events_pb2


def facts_of(world: PagesWorld, user: str) -> RequestFacts:
    """What the prompt of a request of now says."""
    page = world.serve(user, {"top": ["e9"]})
    world.see(user, page, "e9")
    world.write()
    (shown,) = world.shown().pages
    return facts_of_prompt(shown.prompt, world.catalog, rows=3, entities_per_row=5)


def test_what_is_half_watched_is_begun_whatever_was_done_beside(tmp_path: Path) -> None:
    """A step that merges several actions keeps the strongest, and the time that was watched."""
    world = PagesWorld(tmp_path)
    world.play("ada", "", "e1", 20.0)
    world.act("ada", rate=events_pb2.Rate(entity_id="e1", rating=5.0))
    world.wait(60)
    world.act("ada", purchase=events_pb2.Purchase(entity_id="e2"))
    world.play("ada", "", "e2", 20.0)
    world.wait(60)
    world.act("ada", purchase=events_pb2.Purchase(entity_id="e3"))
    world.play("ada", "", "e4")
    world.act("ada", stop=events_pb2.Stop(entity_id="e4", completed=True))
    assert facts_of(world, "ada").resume == ("e2", "e1"), "bought is not begun, completed is over"


def test_a_because_row_is_about_what_was_not_disliked(tmp_path: Path) -> None:
    """As the server has it."""
    world = PagesWorld(tmp_path)
    world.play("ada", "", "e1", 20.0)
    world.play("ada", "", "e2", 20.0)
    world.act("ada", rate=events_pb2.Rate(entity_id="e2", rating=0.5))
    assert facts_of(world, "ada").because == ("e1",)
