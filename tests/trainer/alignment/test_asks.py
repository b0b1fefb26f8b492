"""Requests that pages are drawn for: which of the logged ones, and what may stand there."""

import dataclasses
from collections import Counter
from collections.abc import Sequence

import pytest
from factories import START_MS
from trainer.alignment.factories_rewarded import TABLE, RewardedWorld

from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.trainer.alignment import asks
from pagecast.trainer.alignment.asks import Ask, asks_of
from pagecast.trainer.alignment.config import AlignConfig, RewardModelConfig
from pagecast.trainer.alignment.policy import engine_model
from pagecast.trainer.alignment.rollouts import draw_group
from pagecast.trainer.pages.shown import ShownPage
from pagecast.v1 import rules_pb2

DEFAULT = AlignConfig()

AT_MS = START_MS + 86_400_000


def of(page: ShownPage, user_id: str, at_ms: int) -> ShownPage:
    """The page as if somebody had asked for it at another time."""
    request = dataclasses.replace(page.prompt.request, at_ms=at_ms)
    prompt = dataclasses.replace(page.prompt, request=request)
    return dataclasses.replace(page, user_id=user_id, prompt=prompt)


def asked(
    world: RewardedWorld, pages: Sequence[ShownPage], config: AlignConfig = DEFAULT
) -> tuple[Ask, ...]:
    champion = world[0]
    catalog = CompiledCatalog(champion.catalog)
    return asks_of(pages, catalog, champion.vocabulary, config, TABLE)


def test_the_newest_requests_are_drawn_for_whoever_made_them(
    rewarded_world: RewardedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Logged pages come user by user: ada asked after zoe did."""
    monkeypatch.setattr(asks, "ASKS_MAX", 3)
    page = rewarded_world[1][0]
    pages = [
        of(page, user, AT_MS + minute * 60_000)
        for user, minute in (("ada", 3), ("ada", 4), ("zoe", 0), ("zoe", 1), ("zoe", 2))
    ]
    found = asked(rewarded_world, pages)
    minutes = [(ask.prompt.request.at_ms - AT_MS) // 60_000 for ask in found]
    assert [ask.user_id for ask in found] == ["zoe", "ada", "ada"]
    assert minutes == [2, 3, 4]


def test_what_a_caller_let_stand_holds_for_drawn_pages(rewarded_world: RewardedWorld) -> None:
    champion, (page, *_) = rewarded_world
    index = champion.catalog.entity_index
    rules = rules_pb2.RequestRules(
        rows=rules_pb2.CandidateRows(
            rows=[rules_pb2.CandidateRow(row_id="popular", entities_max=20)]
        ),
        entities=rules_pb2.CandidateEntities(entity_ids=["e8", "e9", "e10", "e11"]),
    )
    (ask,) = asked(rewarded_world, [dataclasses.replace(page, asked=rules)])
    (drawn,) = draw_group(engine_model(champion), ask, [0])
    assert {row.row for row in drawn.rows} == {champion.catalog.row_index["popular"]}
    assert set(drawn.entities) <= {index[f"e{n}"] for n in range(8, 12)}
    assert len(drawn.entities) == 3, "no longer than the page's rows were"


def test_a_page_for_which_too_little_is_left_is_not_drawn_again(
    rewarded_world: RewardedWorld,
) -> None:
    """Of what its caller let stand two are left: too few for a row as long as it was."""
    page, other = rewarded_world[1][:2]
    rules = rules_pb2.RequestRules(
        entities=rules_pb2.CandidateEntities(entity_ids=["e8", "e9", "retired"])
    )
    few = dataclasses.replace(page, asked=rules)
    assert [ask.user_id for ask in asked(rewarded_world, [few, other])] == [other.user_id]


def test_of_a_page_whose_window_is_open_nothing_is_chosen_yet(
    rewarded_world: RewardedWorld,
) -> None:
    page = next(page for page in rewarded_world[1] if page.closed)
    still_open = dataclasses.replace(page, closed=False)
    later, now = asked(rewarded_world, [page, still_open])
    assert later.chosen
    assert not now.chosen


def test_one_member_s_flood_does_not_crowd_out_the_others(
    rewarded_world: RewardedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asks, "ASKS_MAX", 6)
    page = rewarded_world[1][0]
    others = [of(page, f"u{n}", AT_MS + n) for n in range(5)]
    flood = [of(page, "flood", AT_MS + 100 + n) for n in range(30)]
    config = AlignConfig(reward=RewardModelConfig(weight_max=2))
    found = asked(rewarded_world, [*others, *flood], config)
    assert Counter(ask.user_id for ask in found) == {"flood": 2, "u1": 1, "u2": 1, "u3": 1, "u4": 1}
    assert found[-1].prompt.request.at_ms == AT_MS + 129, "its newest"
