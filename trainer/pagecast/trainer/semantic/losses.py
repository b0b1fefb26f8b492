"""Losses of a model that spells entities: each level of an ID is a softmax of its own.

The loss of an entity is the sum over its tokens, each after the ones before it. Where a position
has several targets (docs/papers.md 3.3), the first level has them all, and later ones only those
that begin with the tokens fed so far: what follows another beginning cannot be seen from there.

Every code of a level competes, even those that lead to no entity from there: so the model itself
learns what exists, and how often it errs can be measured. What was seen does not compete, as with
entity tokens: a code is left out where all entities behind it are.

Letters: J hidden positions that predict a token, K targets of J, X hidden positions, C codes of a
level, D width, E entities.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from pagecast.featurestore.prompt.semantic_ids import TOKENS_OF_ENTITY_MAX
from pagecast.trainer.batches.batch import PackedBatch
from pagecast.trainer.batches.competition import out_of_competition
from pagecast.trainer.batches.targets import Targets
from pagecast.trainer.fitting.auxiliary import Labels, auxiliary_losses
from pagecast.trainer.fitting.forward import Embedded, Losses, packed_decoded, row_loss
from pagecast.trainer.network.model import PageModel
from pagecast.trainer.semantic.spelling import NOBODY, Spelled, spell
from pagecast.trainer.semantic.trie import NO_NODE, Trie

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class LevelTargets:
    """Tokens of one level that hidden positions are to predict; `closed_JC` do not compete."""

    level: int
    at_J: Ints
    of_K: Ints
    code_K: Ints
    weight_K: npt.NDArray[np.float32]
    closed_JC: Bools


def semantic_losses(
    model: PageModel,
    embedded: Embedded,
    batch: PackedBatch,
    *,
    labels: Labels | None = None,
    step_dropout: float = 0.0,
    seen_compete: bool = True,
) -> Losses:
    """As `forward.losses`; of histories only the first code: no ID is spelled there."""
    assert embedded.token_EL is not None
    trie = model.tower.codes.trie(embedded.token_EL)
    spelled = spell(batch, trie.token_NL, merge_prompt=model.config.merge_prompt)
    decoded_XD = packed_decoded(model, embedded, spelled.batch, step_dropout=step_dropout)
    hidden_XD = model.head(decoded_XD)
    genres, languages = auxiliary_losses(model.head, decoded_XD, spelled.batch.history, labels)

    def loss(levels: Iterator[LevelTargets], targets: Targets) -> Tensor:
        total = sum((_loss(model, hidden_XD, level) for level in levels), hidden_XD.new_zeros(()))
        return total / max(float(targets.weight_K.sum()), 1e-9)

    entities = len(trie.token_NL)

    def seen(targets: Targets) -> Bools:
        if seen_compete:
            return np.zeros((len(targets.at_J), entities), np.bool_)
        return out_of_competition(batch, targets, entities)

    history = spelled.batch.history
    first = _level(trie, 0, history, history.at_J, history.entity_K, seen(batch.history))
    return Losses(
        history=loss(iter([first]), history),
        pages=loss(page_levels(trie, spelled, seen(batch.pages)), spelled.batch.pages),
        rows=row_loss(hidden_XD, embedded, spelled.batch),
        genres=genres,
        languages=languages,
    )


def page_levels(trie: Trie, spelled: Spelled, out_JE: Bools) -> Iterator[LevelTargets]:
    """What is to be predicted at each level of the entities of pages."""
    pages, fed_J = spelled.batch.pages, spelled.fed_J
    yield _level(trie, 0, pages, pages.at_J, pages.entity_K, out_JE)
    for level in range(1, TOKENS_OF_ENTITY_MAX):
        node_J = np.where(fed_J == NOBODY, NO_NODE, trie.node_NL[fed_J, level])
        going_J = (node_J != NO_NODE) & (trie.node_NL[fed_J, level + 1] != NO_NODE)
        same_K = trie.node_NL[pages.entity_K, level] == node_J[pages.of_K]
        kept_K = same_K & going_J[pages.of_K]
        kept_J = np.unique(pages.of_K[kept_K])
        targets = Targets(
            at_J=kept_J,
            of_K=np.searchsorted(kept_J, pages.of_K[kept_K]),
            entity_K=pages.entity_K[kept_K],
            weight_K=pages.weight_K[kept_K],
        )
        at_J = spelled.first_J[kept_J] + level - 1
        yield _level(trie, level, targets, at_J, fed_J[kept_J], out_JE[kept_J])


def _level(
    trie: Trie, level: int, targets: Targets, at_J: Ints, fed_J: Ints, out_JE: Bools
) -> LevelTargets:
    """`fed_J` have the beginning after which the level's token comes; all have that of level 0."""
    node_J = trie.node_NL[fed_J, level] if level else np.zeros(len(at_J), np.int64)
    return LevelTargets(
        level=level,
        at_J=at_J,
        of_K=targets.of_K,
        code_K=trie.code(targets.entity_K, level),
        weight_K=targets.weight_K,
        closed_JC=_closed(trie, level, node_J, out_JE),
    )


def _closed(trie: Trie, level: int, node_J: Ints, out_JE: Bools) -> Bools:
    """Codes behind which nothing is left that competes; those that lead nowhere stay."""
    count_JC = trie.counts[level][node_J]
    of_N, entity_N = np.nonzero(out_JE)
    behind_N = (trie.node_NL[entity_N, level] == node_J[of_N]) & (
        trie.node_NL[entity_N, level + 1] != NO_NODE
    )
    of_N, entity_N = of_N[behind_N], entity_N[behind_N]
    out_JC = np.zeros_like(count_JC)
    np.add.at(out_JC, (of_N, trie.code(entity_N, level)), 1)
    closed_JC: Bools = (out_JC == count_JC) & (count_JC > 0)
    return closed_JC


def _loss(model: PageModel, hidden_XD: Tensor, targets: LevelTargets) -> Tensor:
    """Summed, in nats times weights."""
    if not len(targets.of_K):
        return hidden_XD.new_zeros(())
    output_CD = model.tower.codes.of_level(targets.level)
    logits_JC = hidden_XD[torch.from_numpy(targets.at_J)] @ output_CD.T
    logits_JC = logits_JC.masked_fill(torch.from_numpy(targets.closed_JC), -torch.inf)
    log_JC = functional.log_softmax(logits_JC, dim=-1)
    chosen_K = log_JC[torch.from_numpy(targets.of_K), torch.from_numpy(targets.code_K)]
    return -(chosen_K * torch.from_numpy(targets.weight_K)).sum()
