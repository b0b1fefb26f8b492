"""PredictionService: the champion as predictor, embedder and generator of candidates.

Calls about a user go through `predicting`; those about entities are looked up, in threads, in
tables the model already holds.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, TypeVar

import grpc
import numpy as np

from pagecast.engine.model import Model
from pagecast.engine.multi_stage.model import MultiStageModel
from pagecast.rules import bitsets
from pagecast.rules.eligibility import asked_for_entities, eligible_entities, offered_entities
from pagecast.server.config import ServerConfig
from pagecast.server.models.serving import Serving, Servings
from pagecast.server.page.asked import unknown_candidates
from pagecast.server.page.refusals import MODEL_NOT_LOADED
from pagecast.server.page.request import PageClock, PageRequest, read_request
from pagecast.server.page.users import version_message
from pagecast.server.predictions.messages import (
    embedded_entities,
    embedded_user,
    needs_embeddings,
    predicted,
    scored,
)
from pagecast.server.predictions.neighbour_indexes import NeighbourIndexes
from pagecast.server.predictions.predicting import AskedUser, Predicting
from pagecast.server.rpc.clients import client_of
from pagecast.server.rpc.errors import FieldViolation, Refusal
from pagecast.v1 import homepage_pb2, prediction_pb2_grpc, rules_pb2
from pagecast.v1 import prediction_pb2 as pb

TOP_N_DEFAULT = 10
"""Predictions and similar entities if the client does not say."""

CANDIDATES_DEFAULT = 100
"""Candidates if the client does not say: as many as a ranker usually takes."""

NO_RULES = rules_pb2.RequestRules()

UserRequest = pb.PredictNextRequest | pb.EmbedUserRequest | pb.RetrieveEntitiesRequest

T = TypeVar("T")


class PredictionService(prediction_pb2_grpc.PredictionServiceServicer):
    def __init__(
        self,
        config: ServerConfig,
        servings: Servings,
        predicting: Predicting,
        neighbours: NeighbourIndexes,
    ) -> None:
        self._config = config
        self._servings = servings
        self._predicting = predicting
        self._neighbours = neighbours

    async def PredictNext(
        self, request: pb.PredictNextRequest, context: Any
    ) -> pb.PredictNextResponse:
        heads = tuple(request.heads) or (pb.PREDICTION_HEAD_ENTITY,)
        top_n = request.top_n or TOP_N_DEFAULT

        def champion() -> tuple[Serving, Model]:
            serving, model = self._model()
            if needs_embeddings(model, heads):
                _check_embeddings(model)
            return serving, model

        return await self._of_user(
            request, context, champion, lambda asked: predicted(asked, heads, top_n)
        )

    async def EmbedUser(self, request: pb.EmbedUserRequest, context: Any) -> pb.EmbedUserResponse:
        return await self._of_user(request, context, self._model, embedded_user)

    async def RetrieveEntities(
        self, request: pb.RetrieveEntitiesRequest, context: Any
    ) -> pb.RetrieveEntitiesResponse:
        most, rules = request.top_n or CANDIDATES_DEFAULT, _rules(request)
        return await self._of_user(
            request,
            context,
            self._with_embeddings,
            lambda asked: self._retrieved(asked, rules, most),
            rules,
        )

    async def EmbedEntities(
        self, request: pb.EmbedEntitiesRequest, _context: Any
    ) -> pb.EmbedEntitiesResponse:
        _, model = self._with_embeddings()
        entities = [
            _index(model, entity_id, f"entity_ids[{at}]")
            for at, entity_id in enumerate(request.entity_ids)
        ]
        return await asyncio.to_thread(embedded_entities, model, entities)

    async def ListSimilarEntities(
        self, request: pb.ListSimilarEntitiesRequest, _context: Any
    ) -> pb.ListSimilarEntitiesResponse:
        serving, model = self._with_embeddings()
        entity = _index(model, request.entity_id, "entity_id")
        most = request.top_n or TOP_N_DEFAULT
        return await asyncio.to_thread(self._similar, serving, model, entity, most)

    async def _of_user(
        self,
        request: UserRequest,
        context: Any,
        champion: Callable[[], tuple[Serving, Model]],
        answer: Callable[[AskedUser], T],
        rules: rules_pb2.RequestRules = NO_RULES,
    ) -> T:
        page = self._page(request, context, rules)
        serving, model = champion()
        return await self._predicting.ask(client_of(context), page, serving, model, answer)

    def _page(
        self, request: UserRequest, context: Any, rules: rules_pb2.RequestRules
    ) -> PageRequest:
        """The page the user would ask for: its prompt and rules are used."""
        clock = PageClock.start(context.time_remaining())
        page = homepage_pb2.StreamHomepageRequest(
            user_id=request.user_id, context=request.context, rules=rules
        )
        if request.HasField("requested_at"):
            page.requested_at.CopyFrom(request.requested_at)
        return read_request(page, self._config, clock, time.time_ns() // 1_000_000)

    def _model(self) -> tuple[Serving, Model]:
        """The champion, with what is served with it. Raises Refusal."""
        serving = self._servings.current
        if serving.model is None:
            raise Refusal(
                code=grpc.StatusCode.UNAVAILABLE,
                reason=MODEL_NOT_LOADED,
                message="there is no champion, or it cannot be used: train and promote a model",
            )
        if isinstance(serving.model, MultiStageModel):
            raise Refusal(
                code=grpc.StatusCode.FAILED_PRECONDITION,
                reason="MODEL_NOT_GENERATIVE",
                message="the champion is a multi-stage baseline: promote a generative model",
            )
        if not serving.snapshot.entities:
            raise Refusal(
                code=grpc.StatusCode.UNAVAILABLE,
                reason="CATALOG_EMPTY",
                message="the catalog has no entities: publish some and try again",
            )
        return serving, serving.model

    def _with_embeddings(self) -> tuple[Serving, Model]:
        """The same, if the model's entities have embeddings. Raises Refusal."""
        serving, model = self._model()
        _check_embeddings(model)
        return serving, model

    def _retrieved(
        self, asked: AskedUser, rules: rules_pb2.RequestRules, most: int
    ) -> pb.RetrieveEntitiesResponse:
        """Step 4 of the life of a page, as far as which entities may stand in its rows."""
        model, catalog, facts = asked.model, asked.serving.catalog, asked.facts
        asked_W = asked_for_entities(catalog, facts, offered_entities(catalog, facts))
        eligible_W = eligible_entities(catalog, facts, asked_W)
        neighbours = self._neighbours.of(model).by_product
        nearest = neighbours.nearest(asked.state.hidden_O, eligible_W, most)
        return pb.RetrieveEntitiesResponse(
            model_version=model.version,
            history_version=version_message(asked.history),
            catalog_number=model.snapshot.number,
            entities=scored(nearest, model.snapshot),
            eligible_entities=int(bitsets.sizes(eligible_W)),
            unknown_candidates=unknown_candidates(rules, model.snapshot).entities,
        )

    def _similar(
        self, serving: Serving, model: Model, entity: int, most: int
    ) -> pb.ListSimilarEntitiesResponse:
        others_W = serving.catalog.unretired_W.copy()
        bitsets.remove(others_W, np.array([entity]))
        neighbours = self._neighbours.of(model).by_cosine
        nearest = neighbours.nearest(neighbours.vectors_NO[entity], others_W, most)
        return pb.ListSimilarEntitiesResponse(
            model_version=model.version,
            catalog_number=model.snapshot.number,
            entities=scored(nearest, model.snapshot),
        )


def _rules(request: pb.RetrieveEntitiesRequest) -> rules_pb2.RequestRules:
    rules = rules_pb2.RequestRules(watched=request.watched)
    if request.HasField("entities"):
        rules.entities.CopyFrom(request.entities)
    return rules


def _index(model: Model, entity_id: str, path: str) -> int:
    """Raises Refusal."""
    index = model.snapshot.entity_index.get(entity_id)
    if index is None:
        told = f"{path}: the catalog has no entity {entity_id!r}"
        raise Refusal(
            code=grpc.StatusCode.NOT_FOUND,
            reason="ENTITY_UNKNOWN",
            message=f"{told}: publish it, or check the id",
            violations=(FieldViolation(path=path, description=told),),
        )
    return index


def _check_embeddings(model: Model) -> None:
    """Raises Refusal if the model's entities have no embeddings."""
    if model.entities.named is not None:
        raise Refusal(
            code=grpc.StatusCode.FAILED_PRECONDITION,
            reason="MODEL_SPELLS_ENTITIES",
            message="the champion spells entities in semantic IDs, which have no embeddings: "
            "promote a model of entities, or ask for users and trained heads only",
        )
