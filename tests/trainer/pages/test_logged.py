"""Logged pages as they are read for training."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from trainer.factories_logged import TOPIC, PagesWorld
from trainer.factories_trainer import SMALL

from pagecast.featurestore.offline import LoggedPage
from pagecast.trainer.page_config import LoggedConfig
from pagecast.v1 import events_pb2, rules_pb2


def two_pages(root: Path) -> PagesWorld:
    """Ada plays, is served, clicks; is served again, and only looks."""
    world = PagesWorld(root)
    world.play("ada", "", "e1", 30.0)
    first = world.serve("ada", {"top": ["e2", "e3"], "popular": ["e4"]})
    world.see("ada", first, "e2", "e4")
    world.click("ada", first, "e4")
    world.wait(60)
    second = world.serve("ada", {"top": ["e5"]})
    world.see("ada", second, "e5")
    return world


def test_a_page_has_the_prompt_its_server_built_and_what_became_of_it(tmp_path: Path) -> None:
    world = two_pages(tmp_path).write()
    first, second = world.shown().pages
    assert first.prompt.sha256() == world.pages[0].page.prompt_sha256
    assert [step.entity_id for step in first.prompt.steps] == ["e1"]
    assert [(row.row_id, row.entity_ids) for row in first.rows] == [
        ("top", ("e2", "e3")),
        ("popular", ("e4",)),
    ]
    (seen, unknown), (clicked,) = (row.outcomes for row in first.rows)
    assert seen is not None
    assert clicked is not None
    assert (seen.abandoned, unknown, clicked.clicked) == (True, None, True)
    assert "e4" in {step.entity_id for step in second.prompt.steps}


def test_a_page_has_what_its_caller_let_stand(tmp_path: Path) -> None:
    world = PagesWorld(tmp_path)
    asked = rules_pb2.RequestRules(row_entities_min=2)
    for rules in (asked, None):
        page = world.serve("ada", {"top": ["e2", "e3"]}, rules)
        world.see("ada", page, "e2")
    first, second = world.write().shown().pages
    assert first.asked == asked
    assert second.asked == rules_pb2.RequestRules()


def test_a_page_is_closed_when_the_log_has_gone_past_its_window(tmp_path: Path) -> None:
    world = two_pages(tmp_path).write()
    assert [page.closed for page in world.shown().pages] == [True, False]


def test_what_was_held_out_has_no_outcome_and_so_no_example(tmp_path: Path) -> None:
    world = two_pages(tmp_path).write()
    before_second = {(TOPIC, 0): len(world.events) - 1}
    assert [page.rows[0].row_id for page in world.shown(until=before_second).pages] == ["top"]
    before_click = {(TOPIC, 0): 3}
    (page,) = world.shown(until=before_click).pages
    assert page.rows[1].outcomes[0] is not None
    assert page.rows[1].outcomes[0].clicked is False
    assert world.shown(until={(TOPIC, 0): 1}).pages == ()


def test_a_page_that_nobody_looked_at_is_no_example(tmp_path: Path) -> None:
    world = PagesWorld(tmp_path)
    world.serve("ada", {"top": ["e1"]})
    assert world.write().shown().pages == ()


@pytest.mark.parametrize(
    "changed",
    [{"prompt_sha256": "0" * 64}, {"catalog_number": 10**6}],
    ids=["another prompt", "a catalog that this database never had"],
)
def test_a_page_whose_prompt_cannot_be_built_again_is_left_out_and_told(
    tmp_path: Path, changed: dict[str, Any]
) -> None:
    world = two_pages(tmp_path)
    page = events_pb2.PageServed()
    page.CopyFrom(world.pages[0].page)
    page.MergeFrom(events_pb2.PageServed(**changed))
    world.pages[0] = LoggedPage("pages", 0, 0, page, page.SerializeToString())
    with capture_logs() as logs:
        shown = world.write().shown()
    assert (len(shown.pages), shown.unlike) == (1, 1)
    assert [log["event"] for log in logs] == ["logged_pages_unlike"]


def test_the_newest_pages_are_taken_and_the_others_counted(tmp_path: Path) -> None:
    config = dataclasses.replace(SMALL, logged=LoggedConfig(pages_max=1))
    shown = two_pages(tmp_path).write().shown(config)
    assert ([page.rows[0].entity_ids for page in shown.pages], shown.older) == ([("e5",)], 1)


def test_who_asks_for_many_pages_leaves_room_for_the_others(tmp_path: Path) -> None:
    config = dataclasses.replace(SMALL, logged=LoggedConfig(pages_max=4, of_user_max=2))
    world = PagesWorld(tmp_path)
    for user in ("ada", "bob", *["program"] * 5):
        world.see(user, world.serve(user, {"top": ["e2"]}), "e2")
    shown = world.write().shown(config)
    assert sorted(page.user_id for page in shown.pages) == ["ada", "bob", "program", "program"]
    newest = max(page.prompt.request.at_ms for page in shown.pages)
    assert newest == world.pages[-1].page.requested_at.ToMilliseconds()
    assert shown.older == 3
