"""Probabilities of the next entity, its genres and its language.

Letters in names: N entities of the snapshot, G genres and W languages of the vocabulary, each and
the unknown one (0), X names, V what is scored.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from pagecast.engine.bundles.manifest import PredictionHead
from pagecast.engine.graph import FloatArray
from pagecast.engine.model import Model
from pagecast.engine.vectors.user_encoder import UserState
from pagecast.featurestore.catalog.snapshot import CatalogEntity
from pagecast.featurestore.prompt.vocabulary import Vocabulary
from pagecast.rules.predicates import Indices

Probabilities = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prediction:
    """A probability for each name; `by_head` says whether it comes from a head of the model trained
    for it, or from summing the probabilities of entities."""

    names: Sequence[str]
    probability_X: Probabilities
    by_head: bool

    def best(self, most: int) -> list[int]:
        """The likeliest, of equals the first."""
        order_X = np.argsort(-self.probability_X, kind="stable")
        return [int(index) for index in order_X[:most]]


def next_entity(model: Model, state: UserState) -> Prediction:
    """Of every entity of the catalog, whatever the rules."""
    return Prediction(
        names=_labels_of(model).entity_ids,
        probability_X=softmax(model.entities.output_ND @ state.hidden_O),
        by_head=True,
    )


def next_genre(model: Model, state: UserState) -> Prediction:
    """Of each genre and of none known: the head's, or the entities' shared among their genres."""
    vocabulary = model.bundle.vocabulary
    names = ("", *vocabulary.genres)
    by_head = _of_head(model, state, PredictionHead.GENRE)
    if by_head is not None:
        return Prediction(names=names, probability_X=by_head, by_head=True)
    return _labels_of(model).genres.summed(names, next_entity(model, state).probability_X)


def next_language(model: Model, state: UserState) -> Prediction:
    """The same of the first language."""
    vocabulary = model.bundle.vocabulary
    names = ("", *vocabulary.languages)
    by_head = _of_head(model, state, PredictionHead.LANGUAGE)
    if by_head is not None:
        return Prediction(names=names, probability_X=by_head, by_head=True)
    return _labels_of(model).languages.summed(names, next_entity(model, state).probability_X)


def has_head(model: Model, head: PredictionHead) -> bool:
    """Whether it was trained; otherwise probabilities are summed over embedded entities."""
    return model.bundle.heads is not None and head in model.bundle.manifest.heads


def softmax(logits_V: FloatArray) -> Probabilities:
    """In float64: the probabilities of a large catalog add up to 1."""
    exponents_V = np.exp(logits_V.astype(np.float64) - logits_V.max(initial=-np.inf))
    shares_V: Probabilities = exponents_V / exponents_V.sum()
    return shares_V


def _of_head(model: Model, state: UserState, head: PredictionHead) -> Probabilities | None:
    heads = model.bundle.heads
    if heads is None or state.state_D is None or not has_head(model, head):
        return None
    logits_BX = heads.run({"state_BD": state.state_D[None]})[head.output]
    return softmax(logits_BX[0])


def _genre_ids(entity: CatalogEntity, vocabulary: Vocabulary) -> Sequence[int]:
    """As training labels them: each genre once; all unknown ones together count as one."""
    return sorted({vocabulary.genre_ids.get(genre, 0) for genre in entity.genres}) or [0]


def _language_ids(entity: CatalogEntity, vocabulary: Vocabulary) -> Sequence[int]:
    return [vocabulary.language_ids.get(name, 0) for name in entity.languages[:1]] or [0]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Shares:
    """Each entity in equal parts of its labels: part V is of an entity and of a label."""

    entity_V: Indices
    label_V: Indices
    share_V: Probabilities

    @classmethod
    def of(cls, labels: Sequence[Sequence[int]]) -> "_Shares":
        lengths_N = np.array([len(indices) for indices in labels], np.int64)
        return cls(
            entity_V=np.repeat(np.arange(len(labels)), lengths_N),
            label_V=np.fromiter((i for of in labels for i in of), np.int64, int(lengths_N.sum())),
            share_V=np.repeat(1.0 / lengths_N, lengths_N),
        )

    def summed(self, names: Sequence[str], probability_N: Probabilities) -> Prediction:
        probability_X = np.zeros(len(names))
        np.add.at(probability_X, self.label_V, probability_N[self.entity_V] * self.share_V)
        return Prediction(names=names, probability_X=probability_X, by_head=False)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Labels:
    entity_ids: Sequence[str]
    genres: _Shares
    languages: _Shares


_LABELS: WeakKeyDictionary[Model, _Labels] = WeakKeyDictionary()
"""Made once per model: a loop over a large catalog would keep the interpreter from pages. Two
threads may make the same labels; one result is kept."""


def _labels_of(model: Model) -> _Labels:
    labels = _LABELS.get(model)
    if labels is None:
        entities, vocabulary = model.snapshot.entities, model.bundle.vocabulary
        labels = _LABELS[model] = _Labels(
            entity_ids=tuple(entity.entity_id for entity in entities),
            genres=_Shares.of([_genre_ids(entity, vocabulary) for entity in entities]),
            languages=_Shares.of([_language_ids(entity, vocabulary) for entity in entities]),
        )
    return labels
