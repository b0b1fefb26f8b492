"""PredictionService through a real channel: prompts and rules are those of the user's page."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import numpy as np
import pytest
from engine.factories_engine import TinyModel
from engine.multi_stage.factories_multi_stage import tables_of, write_multi_stage
from factories import START_MS, movie, play, timestamp, top_row, upsert
from grpc import StatusCode
from grpc.aio import AioRpcError
from hypothesis import given, settings
from rules.factories_rules import SEEDS
from server.factories_server import (
    FILMS,
    SLOW,
    House,
    Served,
    break_store,
    details_of,
    eventually,
)

from pagecast.engine.bundles.manifest import PredictionHead
from pagecast.server.predictions import predicting
from pagecast.v1 import catalog_pb2, events_pb2, prediction_pb2_grpc, rules_pb2
from pagecast.v1 import prediction_pb2 as pb

MINUTE_MS = 60_000
HEADS = [pb.PREDICTION_HEAD_ENTITY, pb.PREDICTION_HEAD_GENRE, pb.PREDICTION_HEAD_LANGUAGE]


class Asked:
    """The service as a client sees it."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.stub = prediction_pb2_grpc.PredictionServiceStub(served.channel)

    async def user(self, request: Any, method: str, timeout_s: float = 20.0) -> Any:
        if not request.HasField("requested_at"):
            request.requested_at.CopyFrom(timestamp(START_MS))
        return await getattr(self.stub, method)(request, timeout=timeout_s)

    async def next(self, user_id: str, **fields: Any) -> pb.PredictNextResponse:
        return await self.user(pb.PredictNextRequest(user_id=user_id, **fields), "PredictNext")

    async def vector(self, user_id: str, **fields: Any) -> pb.EmbedUserResponse:
        return await self.user(pb.EmbedUserRequest(user_id=user_id, **fields), "EmbedUser")

    async def candidates(self, user_id: str, **fields: Any) -> pb.RetrieveEntitiesResponse:
        request = pb.RetrieveEntitiesRequest(user_id=user_id, **fields)
        return await self.user(request, "RetrieveEntities")

    async def embeddings(self, *entity_ids: str) -> pb.EmbedEntitiesResponse:
        return await self.stub.EmbedEntities(pb.EmbedEntitiesRequest(entity_ids=entity_ids))

    async def similar(self, entity_id: str, top_n: int = 0) -> pb.ListSimilarEntitiesResponse:
        request = pb.ListSimilarEntitiesRequest(entity_id=entity_id, top_n=top_n)
        return await self.stub.ListSimilarEntities(request)


@asynccontextmanager
async def asked_of(house: House, **changes: object) -> AsyncIterator[Asked]:
    async with house.serve(**changes) as served:
        yield Asked(served)


def remember(house: House, user_id: str, *films: int) -> None:
    events = (
        play(user_id, f"m{film}", START_MS - (len(films) - i) * MINUTE_MS)
        for i, film in enumerate(films)
    )
    house.remember(user_id, *events)


async def test_a_users_product_with_an_entity_is_its_logit_and_its_score(house: House) -> None:
    version = house.train_champion()
    remember(house, "ada", *range(5, 25))
    async with asked_of(house) as asked:
        user = await asked.vector("ada")
        predicted = await asked.next("ada", top_n=1000)
        found = await asked.candidates("ada", top_n=1000)
        entities = await asked.embeddings(*(f"m{i}" for i in range(FILMS)))
    assert {user.model_version, predicted.model_version, found.model_version} == {version}
    assert user.history_version.next_offset == 20
    output_ND = np.array([one.output for one in entities.embeddings])
    logits_N = output_ND @ np.array(user.vector)
    probability_N = np.exp(logits_N - logits_N.max())
    probability_N /= probability_N.sum()
    [prediction] = predicted.predictions
    said = {one.name: one.probability for one in prediction.likely}
    assert len(said) == FILMS
    assert said == pytest.approx({f"m{i}": p for i, p in enumerate(probability_N)}, rel=1e-3)
    scores = {one.entity_id: one.score for one in found.entities}
    assert scores == pytest.approx({e: logits_N[int(e[1:])] for e in scores}, rel=1e-3, abs=1e-3)
    assert len(scores) == FILMS - 20, "what was watched is not offered again"


async def test_a_new_event_moves_the_vector(house: House) -> None:
    house.train_champion()
    remember(house, "ada", 1, 2, 3)
    async with asked_of(house) as asked:
        before = await asked.vector("ada")
        again = await asked.vector("ada")
        house.remember("ada", play("ada", "m9", START_MS - 1000))
        after = await asked.vector("ada")
    assert list(before.vector) == list(again.vector)
    assert not np.allclose(before.vector, after.vector)


async def test_a_stranger_has_a_strangers_prompt(house: House) -> None:
    house.train_champion()
    async with asked_of(house) as asked:
        one, other = await asked.vector("nobody"), await asked.vector("nobody either")
        phone = await asked.vector("nobody", context=events_pb2.RequestContext(device="tv"))
    assert list(one.vector) == list(other.vector)
    assert not one.HasField("history_version")
    assert list(one.vector) != list(phone.vector), "the request counts"


async def test_heads_come_in_the_order_asked_and_say_where_from(house: House) -> None:
    house.train_champion(TinyModel(prediction_heads=(PredictionHead.GENRE,)))
    async with asked_of(house) as asked:
        told = await asked.next("ada", heads=reversed(HEADS), top_n=2)
    assert [one.head for one in told.predictions] == list(reversed(HEADS))
    language, genre, entity = told.predictions
    assert genre.source == pb.PREDICTION_SOURCE_HEAD
    assert language.source == pb.PREDICTION_SOURCE_ENTITIES
    assert [len(one.likely) for one in told.predictions] == [2, 2, 2]
    assert language.likely[0].probability == pytest.approx(1.0), "no film has a known language"
    assert entity.likely[0].title.startswith("Film ")
    for prediction in told.predictions:
        assert prediction.likely[0].probability >= prediction.likely[1].probability > -1e-9


async def test_without_heads_genres_are_the_entities_summed(house: House) -> None:
    house.train_champion()
    async with asked_of(house) as asked:
        told = await asked.next("ada", heads=HEADS[:2], top_n=1000)
    entities, genres = told.predictions
    assert genres.source == pb.PREDICTION_SOURCE_ENTITIES
    summed = {"": 0.0, "Comedy": 0.0, "Drama": 0.0, "Western": 0.0}
    for one in entities.likely:
        summed[("Comedy", "Drama", "Western")[int(one.name[1:]) % 3]] += one.probability
    assert {one.name: one.probability for one in genres.likely} == pytest.approx(summed)


async def test_similar_entities_point_the_same_way(house: House) -> None:
    house.train_champion()
    house.change(_retired("m7"))
    async with asked_of(house) as asked:
        similar = await asked.similar("m1", top_n=1000)
        few = await asked.similar("m1")
        of_gone = await asked.similar("m7", top_n=1)
        embeddings = (await asked.embeddings(*(f"m{i}" for i in range(FILMS)))).embeddings
    units_ND = np.array([one.output for one in embeddings])
    units_ND /= np.linalg.norm(units_ND, axis=1, keepdims=True)
    cosine_N = units_ND @ units_ND[1]
    expected = [f"m{i}" for i in np.argsort(-cosine_N) if i not in (1, 7)]
    assert [one.entity_id for one in similar.entities] == expected
    assert similar.entities[0].score == pytest.approx(cosine_N[int(expected[0][1:])], rel=1e-4)
    assert len(few.entities) == 10
    assert len(of_gone.entities) == 1, "of a retired one the others are told all the same"


async def test_an_unknown_entity_is_named_with_its_field(house: House) -> None:
    house.train_champion()
    async with asked_of(house) as asked:
        for call, field in (
            (asked.embeddings("m1", "m-none"), "entity_ids[1]"),
            (asked.similar("m-none"), "entity_id"),
        ):
            with pytest.raises(AioRpcError) as failed:
                await call
            assert failed.value.code() is StatusCode.NOT_FOUND
            details = details_of(failed.value)
            assert details["ErrorInfo"].reason == "ENTITY_UNKNOWN"
            [violation] = details["BadRequest"].field_violations
            assert violation.field == field
            assert "'m-none'" in violation.description


BAD = [
    ("PredictNext", pb.PredictNextRequest(), "user_id"),
    ("PredictNext", pb.PredictNextRequest(user_id="a", heads=[0]), "heads[0]"),
    ("PredictNext", pb.PredictNextRequest(user_id="a", top_n=1001), "top_n"),
    ("EmbedUser", pb.EmbedUserRequest(user_id="a" * 257), "user_id"),
    ("EmbedEntities", pb.EmbedEntitiesRequest(), "entity_ids"),
    ("EmbedEntities", pb.EmbedEntitiesRequest(entity_ids=["a"] * 2), "entity_ids"),
    ("ListSimilarEntities", pb.ListSimilarEntitiesRequest(), "entity_id"),
    ("RetrieveEntities", pb.RetrieveEntitiesRequest(user_id="a", watched=9), "watched"),
]


async def test_bad_input_names_its_field(empty_house: House) -> None:
    async with asked_of(empty_house) as asked:
        for method, request, field in BAD:
            with pytest.raises(AioRpcError) as failed:
                await getattr(asked.stub, method)(request)
            assert failed.value.code() is StatusCode.INVALID_ARGUMENT
            violations = details_of(failed.value)["BadRequest"].field_violations
            assert [violation.field for violation in violations] == [field], method


async def test_without_a_champion_nothing_is_answered(house: House) -> None:
    async with asked_of(house) as asked:
        for call in (asked.vector("ada"), asked.next("ada"), asked.similar("m1")):
            with pytest.raises(AioRpcError) as failed:
                await call
            assert failed.value.code() is StatusCode.UNAVAILABLE
            assert details_of(failed.value)["ErrorInfo"].reason == "MODEL_NOT_LOADED"


async def test_a_champion_without_embeddings_says_so(house: House) -> None:
    ids = [entity.entity_id for entity in house.catalog.snapshot().entities]
    baseline = write_multi_stage(house.paths.bundles, tables_of(ids))
    house.registry.register(baseline.name, parent_version=None, metrics={}, data={})
    house.registry.promote(baseline.name, by="test")
    async with asked_of(house) as asked:
        with pytest.raises(AioRpcError) as failed:
            await asked.vector("ada")
    assert failed.value.code() is StatusCode.FAILED_PRECONDITION
    assert details_of(failed.value)["ErrorInfo"].reason == "MODEL_NOT_GENERATIVE"


async def test_without_histories_nobody_is_taken_for_a_stranger(house: House) -> None:
    house.train_champion()
    async with asked_of(house) as asked:
        break_store(house)
        with pytest.raises(AioRpcError) as failed:
            await asked.vector("ada")
    assert failed.value.code() is StatusCode.UNAVAILABLE
    assert details_of(failed.value)["ErrorInfo"].reason == "FEATURE_STORE_UNAVAILABLE"


async def test_the_clients_clock_is_refused_unless_allowed(house: House) -> None:
    house.train_champion()
    async with asked_of(house, allow_client_clock=False) as asked:
        with pytest.raises(AioRpcError) as failed:
            await asked.vector("ada")
        assert details_of(failed.value)["BadRequest"].field_violations[0].field == "requested_at"


async def test_too_many_at_once_are_refused_and_pages_go_on(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predicting, "PREDICTIONS_WAITING_MAX", 2)
    house.train_champion(SLOW)
    remember(house, "ada", *range(FILMS))
    async with asked_of(house) as asked:
        calls = [asyncio.create_task(asked.vector("ada")) for _ in range(12)]
        page = await asked.served.page("bob", rows=1)
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        refused = [one for one in outcomes if isinstance(one, AioRpcError)]
        assert len(page.rows) == 1
        assert 12 > len(refused) >= 1
        for one in refused:
            assert one.code() is StatusCode.RESOURCE_EXHAUSTED
            details = details_of(one)
            assert details["ErrorInfo"].reason == "PREDICTIONS_EXHAUSTED"
            assert details["RetryInfo"].retry_delay.ToMilliseconds() >= 20
        assert (await asked.vector("ada")).vector, "it has room again"


async def test_a_deadline_ends_what_waits_and_what_runs(house: House) -> None:
    house.train_champion(SLOW)
    remember(house, "ada", *range(FILMS))
    async with asked_of(house) as asked:
        request = pb.EmbedUserRequest(user_id="ada", requested_at=timestamp(START_MS))
        calls = [asked.stub.EmbedUser(request, timeout=0.02) for _ in range(20)]
        for call in calls:
            assert await call.code() is StatusCode.DEADLINE_EXCEEDED
        asking = asked.served.server.resources.predicting
        await eventually(lambda: asking.waiting == 0)
        assert (await asked.vector("ada")).vector


def _retired(entity_id: str) -> catalog_pb2.CatalogChange:
    return catalog_pb2.CatalogChange(occurred_at=timestamp(START_MS), retire_entity_id=entity_id)


def _changes(draw: Random) -> list[catalog_pb2.CatalogChange]:
    """Films that some may not see: retired, adult, elsewhere, for other devices, over."""
    films = []
    for i in range(30):
        film = movie(f"m{i}", draw.choice(("Comedy", "Drama")), released_ms=START_MS - i)
        film.maturity = draw.choice((0, 0, 12, 18))
        if draw.random() < 0.3:
            film.devices.append(draw.choice(("tv", "phone")))
        if draw.random() < 0.4:
            window = film.availability.add(country=draw.choice(("DE", "FR", "")))
            if draw.random() < 0.5:
                window.until.FromMilliseconds(START_MS + draw.choice((-1, 1)))
        films.append(film)
    retired = [_retired(f"m{i}") for i in draw.sample(range(30), 5)]
    return [*(upsert(change) for change in (*films, top_row())), *retired]


def _request(draw: Random) -> tuple[events_pb2.RequestContext, rules_pb2.RequestRules]:
    context = events_pb2.RequestContext(
        country=draw.choice(("DE", "FR", "")), device=draw.choice(("tv", "phone", ""))
    )
    rules = rules_pb2.RequestRules(watched=draw.choice((1, 2)), row_entities_min=1)
    if draw.random() < 0.5:
        rules.entities.entity_ids.extend(f"m{i}" for i in draw.sample(range(40), 25))
    return context, rules


@settings(max_examples=2)
@given(SEEDS)
async def test_what_is_retrieved_is_what_may_stand_on_the_page(
    tmp_path_factory: pytest.TempPathFactory, draw: Random
) -> None:
    """A page as long as pages may be, of the row of everything, holds exactly the candidates."""
    house = House(tmp_path_factory.mktemp("drawn") / "state")
    house.change(*_changes(draw))
    house.train_champion()
    remember(house, "ada", *draw.sample(range(30), 6))
    async with asked_of(house) as asked:
        for _ in range(8):
            context, rules = _request(draw)
            page = await asked.served.page(
                "ada", context=context, rules=rules, rows=40, entities_per_row=40
            )
            fields = {"entities": rules.entities} if rules.HasField("entities") else {}
            found = await asked.candidates(
                "ada", context=context, watched=rules.watched, top_n=1000, **fields
            )
            assert {one.entity_id for one in found.entities} == page.entity_ids
            assert found.eligible_entities == len(found.entities)
            assert found.unknown_candidates == page.started.unknown_candidates
            scores = [one.score for one in found.entities]
            assert scores == sorted(scores, reverse=True)
    house.close()
