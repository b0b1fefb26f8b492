"""The rules of a request that the rankers learn from are those of its page."""

from pathlib import Path

import numpy as np
from trainer.factories_logged import PagesWorld

from pagecast.rules import bitsets
from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.trainer.multi_stage.config import MultiStageConfig
from pagecast.trainer.multi_stage.examples import rules_of
from pagecast.v1 import events_pb2


def standing(world: PagesWorld, user: str) -> set[str]:
    """What may stand on the page of a request of now, in whatever row."""
    page = world.serve(user, {"top": ["e9"]})
    world.see(user, page, "e9")
    world.write()
    (shown,) = world.shown().pages
    catalog = CompiledCatalog(world.catalog)
    entities = world.catalog.entities
    everything = np.arange(len(entities))
    rules = rules_of(shown.prompt, catalog, everything, MultiStageConfig())
    any_W = np.bitwise_or.reduce(rules.candidates_RW, axis=0)
    return {entities[n].entity_id for n in bitsets.members(any_W, len(entities)).tolist()}


def test_what_was_hidden_is_no_alternative_of_what_was_chosen(tmp_path: Path) -> None:
    world = PagesWorld(tmp_path)
    world.act("ada", hide=events_pb2.Hide(entity_id="e3"))
    found = standing(world, "ada")
    assert "e3" not in found
    assert "e4" in found


def test_what_was_begun_is_no_example_of_what_is_found(tmp_path: Path) -> None:
    """A row of its own goes on with it, where a pin has it and in an order of its own."""
    world = PagesWorld(tmp_path)
    world.play("ada", "", "e3", 20.0)
    found = standing(world, "ada")
    assert "e3" not in found
    assert "e4" in found
