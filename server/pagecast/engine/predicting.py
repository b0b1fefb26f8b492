"""Probabilities of the next entity, its genres and its language.

Letters in names: N entities of the snapshot, G genres and W languages of the vocabulary, each and
the unknown one (0), X names, V what is scored.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pagecast.engine.graph import FloatArray
from pagecast.engine.manifest import PredictionHead
from pagecast.engine.model import Model
from pagecast.engine.user_encoder import UserState
from pagecast.featurestore.snapshot import CatalogEntity
from pagecast.featurestore.vocabulary import Vocabulary

Probabilities = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prediction:
    """A probability for each name; `by_head` says whether a head of the model was trained to say
    so, or the probabilities of entities were summed."""

    names: Sequence[str]
    probability_X: Probabilities
    by_head: bool

    def best(self, most: int) -> list[int]:
        """The likeliest, of equals the first."""
        return np.argsort(-self.probability_X, kind="stable")[:most].tolist()


def next_entity(model: Model, state: UserState) -> Prediction:
    """Of every entity of the catalog, whatever the rules."""
    return Prediction(
        names=[entity.entity_id for entity in model.snapshot.entities],
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
    shares = [_genre_ids(entity, vocabulary) for entity in model.snapshot.entities]
    return _summed(names, next_entity(model, state).probability_X, shares)


def next_language(model: Model, state: UserState) -> Prediction:
    """The same of the first language."""
    vocabulary = model.bundle.vocabulary
    names = ("", *vocabulary.languages)
    by_head = _of_head(model, state, PredictionHead.LANGUAGE)
    if by_head is not None:
        return Prediction(names=names, probability_X=by_head, by_head=True)
    ids = vocabulary.language_ids
    firsts = [entity.languages[:1] for entity in model.snapshot.entities]
    shares = [[ids.get(name, 0) for name in first] or [0] for first in firsts]
    return _summed(names, next_entity(model, state).probability_X, shares)


def softmax(logits_V: FloatArray) -> Probabilities:
    """In float64: the probabilities of a large catalog add up to 1."""
    exponents_V = np.exp(logits_V.astype(np.float64) - logits_V.max(initial=-np.inf))
    shares_V: Probabilities = exponents_V / exponents_V.sum()
    return shares_V


def _of_head(model: Model, state: UserState, head: PredictionHead) -> Probabilities | None:
    bundle = model.bundle
    if bundle.heads is None or state.state_D is None or head not in bundle.manifest.heads:
        return None
    logits_BX = bundle.heads.run({"state_BD": state.state_D[None]})[head.output]
    return softmax(logits_BX[0])


def _genre_ids(entity: CatalogEntity, vocabulary: Vocabulary) -> Sequence[int]:
    """As training labels them: each genre once; those it does not know together are one."""
    return sorted({vocabulary.genre_ids.get(genre, 0) for genre in entity.genres}) or [0]


def _summed(
    names: Sequence[str], probability_N: Probabilities, shares: Sequence[Sequence[int]]
) -> Prediction:
    """Each entity's probability, in equal parts, to each of its indices."""
    lengths_N = np.array([len(indices) for indices in shares], np.int64)
    index_V = np.fromiter((i for indices in shares for i in indices), np.int64, lengths_N.sum())
    part_V = np.repeat(probability_N / lengths_N, lengths_N)
    return Prediction(
        names=names,
        probability_X=np.bincount(index_V, part_V, minlength=len(names)),
        by_head=False,
    )
