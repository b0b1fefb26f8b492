"""What the engine says of users and entities, as messages.

Letters in names: N entities of the snapshot, O width of output embeddings.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from pagecast.engine.bundles.manifest import PredictionHead
from pagecast.engine.model import Model
from pagecast.engine.vectors.neighbours import Nearest
from pagecast.engine.vectors.predicting import (
    Prediction,
    has_head,
    next_entity,
    next_genre,
    next_language,
)
from pagecast.engine.vectors.user_encoder import UserState
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.server.page.users import version_message
from pagecast.server.predictions.predicting import AskedUser
from pagecast.v1 import prediction_pb2 as pb

Head: TypeAlias = "pb.PredictionHead.ValueType"

_PREDICTIONS: dict[Head, Callable[[Model, UserState], Prediction]] = {
    pb.PREDICTION_HEAD_ENTITY: next_entity,
    pb.PREDICTION_HEAD_GENRE: next_genre,
    pb.PREDICTION_HEAD_LANGUAGE: next_language,
}


_TRAINED: dict[Head, PredictionHead] = {
    pb.PREDICTION_HEAD_GENRE: PredictionHead.GENRE,
    pb.PREDICTION_HEAD_LANGUAGE: PredictionHead.LANGUAGE,
}


def needs_embeddings(model: Model, heads: Sequence[Head]) -> bool:
    """Whether one of these heads needs embeddings of entities."""
    return not all(head in _TRAINED and has_head(model, _TRAINED[head]) for head in heads)


def predicted(asked: AskedUser, heads: Sequence[Head], top_n: int) -> pb.PredictNextResponse:
    """The prediction of each head. Raises EngineError."""
    model = asked.model
    return pb.PredictNextResponse(
        model_version=model.version,
        history_version=version_message(asked.history),
        catalog_number=model.snapshot.number,
        predictions=[
            _head(head, _PREDICTIONS[head](model, asked.state), top_n, model.snapshot)
            for head in heads
        ],
    )


def embedded_user(asked: AskedUser) -> pb.EmbedUserResponse:
    published_O = asked.model.bundle.stabilisation.users(asked.state.hidden_O)
    return pb.EmbedUserResponse(
        model_version=asked.model.version,
        history_version=version_message(asked.history),
        catalog_number=asked.model.snapshot.number,
        vector=published_O.tolist(),
    )


def embedded_entities(model: Model, entities: Sequence[int]) -> pb.EmbedEntitiesResponse:
    table = model.entities
    published_EO = model.bundle.stabilisation.entities(table.output_ND[list(entities)])
    return pb.EmbedEntitiesResponse(
        model_version=model.version,
        catalog_number=model.snapshot.number,
        embeddings=[
            pb.EntityEmbedding(
                entity_id=model.snapshot.entities[entity].entity_id,
                input=table.input_ND[entity].tolist(),
                output=published_O.tolist(),
            )
            for entity, published_O in zip(entities, published_EO, strict=True)
        ],
    )


def scored(nearest: Nearest, snapshot: CatalogSnapshot) -> list[pb.ScoredEntity]:
    pairs = zip(nearest.entities_I.tolist(), nearest.score_I.tolist(), strict=True)
    return [
        pb.ScoredEntity(
            entity_id=snapshot.entities[entity].entity_id,
            title=snapshot.entities[entity].title,
            kind=snapshot.entities[entity].kind,
            score=score,
        )
        for entity, score in pairs
    ]


def _head(
    head: Head, prediction: Prediction, top_n: int, snapshot: CatalogSnapshot
) -> pb.HeadPrediction:
    is_entity = head == pb.PREDICTION_HEAD_ENTITY
    source = pb.PREDICTION_SOURCE_HEAD if prediction.by_head else pb.PREDICTION_SOURCE_ENTITIES
    return pb.HeadPrediction(
        head=head,
        source=source,
        likely=[
            pb.Likely(
                name=prediction.names[index],
                title=snapshot.entities[index].title if is_entity else "",
                probability=float(prediction.probability_X[index]),
            )
            for index in prediction.best(top_n)
        ],
    )
