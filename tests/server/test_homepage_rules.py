"""A caller's own rules through a real channel: they narrow a page, which says what they did."""

import re
from pathlib import Path
from typing import Any

import pytest
from factories import START_MS, movie, play, top_row, upsert
from grpc import StatusCode
from grpc.aio import AioRpcError
from server.factories_server import FILMS, LONG_PAGE, House, details_of

from pagecast.v1 import catalog_pb2, homepage_pb2, rules_pb2
from pagecast.v1.rules_pb2 import CandidateEntities, CandidateRow, CandidateRows, KindCap

MOVIE, SHOW = catalog_pb2.ENTITY_KIND_MOVIE, catalog_pb2.ENTITY_KIND_SHOW


def asks(**fields: object) -> rules_pb2.RequestRules:
    return rules_pb2.RequestRules(**fields)  # type: ignore[arg-type]


def those(*entity_ids: str) -> CandidateEntities:
    return CandidateEntities(entity_ids=entity_ids)


def rows(*named: CandidateRow | str) -> CandidateRows:
    return CandidateRows(
        rows=[CandidateRow(row_id=row) if isinstance(row, str) else row for row in named]
    )


@pytest.fixture
def mixed_house(empty_house: House) -> House:
    """Ten films and ten shows in a row of everything."""
    for i in range(20):
        entity = movie(f"m{i}", "Comedy")
        entity.kind = MOVIE if i < 10 else SHOW
        empty_house.change(upsert(entity))
    empty_house.change(upsert(top_row()))
    empty_house.train_champion()
    return empty_house


async def test_only_the_rows_and_entities_a_caller_names_stand(house: House) -> None:
    house.train_champion()
    comedies = [f"m{i}" for i in range(0, FILMS, 3)]
    named = CandidateRow(row_id="genre-comedy", entities=those(*comedies[:4], "m1"), pin=0)
    asked = asks(
        rows=rows(CandidateRow(row_id="recent", entities_max=5), named), entities=those(*comedies)
    )
    async with house.serve() as served:
        page = await served.page("ada", **LONG_PAGE, rules=asked)
        free = await served.page("ada", **LONG_PAGE)
    assert list(page.shape) == ["genre-comedy", "recent"]
    assert set(page.shape["genre-comedy"]) == set(comedies[:4])
    assert len(page.shape["recent"]) == 5
    assert set(page.shape["recent"]) <= set(comedies)
    assert not free.entity_ids <= set(comedies)


async def test_a_row_is_pinned_and_bounded_as_a_caller_says(house: House) -> None:
    house.train_champion()
    top = CandidateRow(row_id="top", entities_max=2, pin=0)
    async with house.serve() as served:
        page = await served.page("ada", entities_per_row=5, rules=asks(rows=rows("recent", top)))
    assert {row: len(entities) for row, entities in page.shape.items()} == {"top": 2, "recent": 5}
    assert list(page.shape) == ["top", "recent"]


async def test_ids_the_catalog_does_not_know_are_ignored_and_counted(house: House) -> None:
    house.train_champion()
    asked = asks(
        rows=rows("top", "nowhere"), entities=those("m1", "m2", "m3", "nobody", "no-one", "nobody")
    )
    async with house.serve() as served:
        page = await served.page("ada", rules=asked)
        counted = [
            served.metric("pagecast_unknown_candidates_total", what=what)
            for what in ("row", "entity")
        ]
    assert page.started.unknown_candidates == 3
    assert set(page.shape["top"]) == {"m1", "m2", "m3"}
    assert counted == [1, 2]


@pytest.mark.parametrize(
    "nothing",
    [asks(entities=those()), asks(rows=rows()), asks(entities=those("nobody"))],
    ids=["no entities", "no rows", "only unknown ones"],
)
async def test_an_empty_choice_is_an_empty_page_with_its_reason(
    house: House, nothing: rules_pb2.RequestRules
) -> None:
    house.train_champion()
    async with house.serve() as served:
        page = await served.page("ada", rules=nothing)
        cut = served.metric("pagecast_pages_cut_short_total", reason="nothing_eligible")
    assert page.rows == []
    assert page.completed.finish_reason == homepage_pb2.FINISH_REASON_NOTHING_ELIGIBLE
    assert cut == 1


async def test_a_row_says_why_it_has_no_more_entities(mixed_house: House) -> None:
    capped = asks(kind_caps=[KindCap(kind=SHOW, row_max=1, page_max=1)])
    async with mixed_house.serve() as served:
        full = await served.page("ada", entities_per_row=11, rules=capped)
        held_back = await served.page("ada", entities_per_row=12, rules=capped)
        ran_out = await served.page("ada", entities_per_row=21)
        cut = {
            reason: served.metric("pagecast_rows_cut_short_total", reason=reason)
            for reason in ("capped", "candidates_ran_out", "full")
        }
    [a], [b], [c] = full.rows, held_back.rows, ran_out.rows
    assert (len(a.entities), a.finish_reason) == (11, homepage_pb2.ROW_FINISH_REASON_FULL)
    assert (len(b.entities), b.finish_reason) == (11, homepage_pb2.ROW_FINISH_REASON_CAPPED)
    assert sum(entity.kind == SHOW for entity in b.entities) == 1
    assert len(c.entities) == 20
    assert c.finish_reason == homepage_pb2.ROW_FINISH_REASON_NOTHING_ELIGIBLE
    assert cut == {"capped": 1, "candidates_ran_out": 1, "full": 0}


async def test_a_page_ends_early_where_caps_leave_no_row_enough(mixed_house: House) -> None:
    none = asks(kind_caps=[KindCap(kind=kind, page_max=0) for kind in (MOVIE, SHOW)])
    async with mixed_house.serve() as served:
        page = await served.page("ada", rules=none)
        cut = served.metric("pagecast_pages_cut_short_total", reason="capped")
    assert page.rows == []
    assert page.completed.finish_reason == homepage_pb2.FINISH_REASON_CAPPED
    assert cut == 1


async def test_rules_hold_for_a_page_without_a_model_as_well(empty_house: House) -> None:
    empty_house.change(*(upsert(movie(f"m{i}", "Comedy")) for i in range(9)), upsert(top_row()))
    capped = asks(kind_caps=[KindCap(kind=MOVIE, page_max=4)], entities=those("m1", "m5", "m7"))
    async with empty_house.serve() as served:
        page = await served.page("ada", rules=capped)
    assert page.started.degraded_reason == "MODEL_NOT_LOADED"
    assert page.entity_ids == {"m1", "m5", "m7"}


async def test_the_watched_stand_again_if_a_caller_lets_them(house: House) -> None:
    house.train_champion()
    house.remember("ada", play("ada", "m3", START_MS - 60_000))
    only = those("m3", "m4", "m5")
    async with house.serve() as served:
        usual = await served.page("ada", rules=asks(entities=only, row_entities_min=1))
        again = await served.page(
            "ada",
            rules=asks(entities=only, row_entities_min=1, watched=rules_pb2.WATCHED_POLICY_ALLOW),
        )
    assert usual.entity_ids == {"m4", "m5"}
    assert again.entity_ids == {"m3", "m4", "m5"}


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        (asks(row_entities_min=6), "rules.row_entities_min"),
        (
            asks(rows=rows("top", CandidateRow(row_id="recent", entities_min=6))),
            "rules.rows.rows[1].entities_min",
        ),
        (asks(rows=rows(CandidateRow(row_id="top", entities_min=3, entities_max=2))), "rules.rows"),
        (asks(rows=rows("top", "top")), "rules.rows"),
        (asks(kind_caps=[KindCap(kind=SHOW), KindCap(kind=SHOW, row_max=1)]), "rules"),
        (asks(kind_caps=[KindCap(row_max=1)]), "rules.kind_caps[0].kind"),
        (asks(entities=those(*map(str, range(10_001)))), "rules.entities.entity_ids"),
    ],
    ids=["minimum", "row's minimum", "row's bounds", "row twice", "cap twice", "no kind", "many"],
)
async def test_what_contradicts_itself_is_refused_by_field(
    house: House, rules: rules_pb2.RequestRules, field: str
) -> None:
    async with house.serve() as served:
        with pytest.raises(AioRpcError) as caught:
            await served.page("ada", entities_per_row=5, rules=rules)
    assert caught.value.code() == StatusCode.INVALID_ARGUMENT
    [violation] = details_of(caught.value)["BadRequest"].field_violations  # type: ignore[attr-defined]
    assert violation.field.startswith(field)


async def test_the_example_of_the_docs_is_a_request(house: House) -> None:
    document = (Path(__file__).parents[2] / "docs" / "serving.md").read_text()
    section = document.partition("## A caller's own rules")[2]
    example = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert example is not None
    names: dict[str, Any] = {}
    exec(example[1], names)
    async with house.serve() as served:
        page = await served.page("ada", rules=names["request"].rules)
    assert page.entity_ids == {"m1", "m2", "m3"}
