"""Logged pages in a model's indices."""

from pathlib import Path

import numpy as np
import pytest
from trainer.factories_logged import PagesWorld, Rows
from trainer.factories_trainer import SMALL

from pagecast.trainer.data.dataset import fallback_row
from pagecast.trainer.data.users import windows
from pagecast.trainer.pages.scored import ScoredPage, scored_pages


def scored(world: PagesWorld) -> list[ScoredPage]:
    return list(scored_pages(world.write().dataset(), SMALL.reward))


def page_of(root: Path, rows: Rows, *seen: str, clicked: str = "") -> ScoredPage:
    world = PagesWorld(root)
    page = world.serve("ada", rows)
    world.see("ada", page, *seen)
    if clicked:
        world.click("ada", page, clicked)
    world.wait(60)
    world.play("ada", "", "e35")
    (only,) = scored(world)
    return only


def test_a_page_ends_with_the_last_place_that_was_seen(tmp_path: Path) -> None:
    rows = {"top": ["e1", "e2"], "popular": ["e3", "e4", "e5"], "recent": ["e6"]}
    page = page_of(tmp_path, rows, "e1", "e4")
    assert [[e.entity for e in row.entities] for row in page.rows] == [[1, 2], [3, 4]]
    rewards = [[e.reward for e in row.entities] for row in page.rows]
    assert rewards == [[0.0, None], [None, 0.0]]
    assert [[e.passed_over for e in row.entities] for row in page.rows] == [
        [True, False],
        [False, True],
    ]
    assert page.positions == 6


def test_a_row_is_worth_what_was_seen_of_it(tmp_path: Path) -> None:
    rows = {"top": ["e1", "e2"], "popular": ["e3"], "recent": ["e6"]}
    page = page_of(tmp_path, rows, "e1", "e2", "e6", clicked="e2")
    assert [row.reward for row in page.rows] == [pytest.approx(0.1), None, 0.0]
    assert [row.passed_over for row in page.rows] == [False, False, True]
    assert page.positive


def test_what_the_catalog_lacks_is_left_out_and_places_stay(tmp_path: Path) -> None:
    rows = {"gone": ["e1", "unknown", "e2"], "top": ["e1", "e3"]}
    page = page_of(tmp_path, rows, "unknown", "e2", "e3")
    assert [row.row for row in page.rows] == [8, 0], "eight rows; an unknown one is the fallback"
    assert [(e.entity, e.place) for e in page.rows[0].entities] == [(1, 0), (2, 2)]
    assert [(e.entity, e.place) for e in page.rows[1].entities] == [(3, 1)], "e1 stands above"


def test_what_is_left_of_nothing_is_no_page(tmp_path: Path) -> None:
    world = PagesWorld(tmp_path)
    page = world.serve("ada", {"top": ["unknown", "e1"]})
    world.see("ada", page, "unknown")
    world.play("ada", "", "e2")
    assert scored(world) == []


def test_strength_is_of_what_was_liked(tmp_path: Path) -> None:
    world = PagesWorld(tmp_path)
    page = world.serve("ada", {"top": ["e1", "e2", "e3", "e4", "e5"]})
    world.see("ada", page, "e1", "e2", "e3", "e4", "e5")
    world.click("ada", page, "e2")
    world.play("ada", page, "e3", 60.0)
    world.act("ada", page, purchase={"entity_id": "e4"})
    world.play("ada", page, "e5", 60.0)
    world.act("ada", page, hide={"entity_id": "e5"})
    (only,) = scored(world)
    assert [e.strength for e in only.rows[0].entities] == [0, 1, 2, 3, 0]


def test_the_window_is_the_prompt_of_the_request(tmp_path: Path) -> None:
    """With the history of a step that began at that moment, in that context, it is that window."""
    world = PagesWorld(tmp_path)
    world.play("ada", "", "e1", 30.0)
    world.play("ada", "", "e2")
    page = world.serve("ada", {"top": ["e3"]})
    world.now_ms -= 1000
    world.play("ada", page, "e3")
    data = world.write().dataset()
    (only,) = scored_pages(data, SMALL.reward)
    (whole,) = windows(0, data.users[0], [2], data.catalog, data.vocabulary)
    assert np.array_equal(only.window.fields_TF, whole.fields_TF)
    assert np.array_equal(only.window.entity_T, whole.entity_T)
    assert only.window.cuts_C.tolist() == whole.cuts_C.tolist()
    assert fallback_row(data.catalog) == 8
