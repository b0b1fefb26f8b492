"""Which entity comes next in a model that spells entities: the trie is scored level by level.

An entity's score is the sum of the log-probabilities of its tokens, each under the mask of what the
trie has. With as many beams as nodes that is exact; with fewer, IDs that begin unlikely are given
up (docs/papers.md 2.3). All continuations share the cache of the one prompt, and each has a few
keys of its own: those of the tokens that lead to its node.

Letters: T positions of a prompt, P nodes of one depth, K tokens of a level, N entities, D width.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pagecast.featurestore.prompt.semantic_ids import TOKENS_OF_ENTITY_MAX
from pagecast.trainer.network.model import PageModel
from pagecast.trainer.semantic.trie import NO_NODE, Trie

EXACT_NODES_MAX = 20_000
"""Most nodes of a trie that is scored whole: they are fed together, a depth at a time, and each
depth's attention takes a number for every node, head and position of the prompt."""

BEAMS = 50
"""Beams where there are more; TIGER's successors report with this number (docs/papers.md 2.8)."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """`score_N`, -inf for what was given up, and `named`: the probability of spelling some entity
    when drawing without any mask. It is exact if nothing was given up, and too low otherwise."""

    score_N: Tensor
    named: float


@dataclass(frozen=True, kw_only=True)
class _Beams:
    """Nodes of one depth: where, which of the nodes that were fed lead there, and their scores."""

    node_P: Tensor
    score_P: Tensor
    free_P: Tensor
    """The same without a mask."""
    parent_P: Tensor
    """By number of those that were fed."""


class TrieSearch:
    """Goes on from the `beams` likeliest nodes of a depth; None: from all."""

    def __init__(self, model: PageModel, trie: Trie, beams: int | None = None) -> None:
        self._model, self._beams = model, beams
        self._tokens = model.tower.codes
        self._node_NL = torch.from_numpy(trie.node_NL)
        self._exists = [torch.from_numpy(count_PK > 0) for count_PK in trie.counts]
        self._going = [exists_PK.any(1) for exists_PK in self._exists]
        self._child = [_children(trie, level) for level in range(TOKENS_OF_ENTITY_MAX)]
        self._last = [
            torch.from_numpy(_token_of_node(trie, depth))
            for depth in range(1, TOKENS_OF_ENTITY_MAX + 1)
        ]

    @torch.no_grad()
    def find(self, prompt_TD: Tensor) -> Found:
        """Scores what follows a prompt's tokens, among them the row's."""
        decoder, entities = self._model.decoder, len(self._node_NL)
        hidden_1TD, keys_Y1HTK, values_Y1HTK = decoder.prefill(prompt_TD[None])
        trunk = (keys_Y1HTK[:, 0], values_Y1HTK[:, 0])
        # The root has no token of its own.
        own = (keys_Y1HTK[:, :, :, :0], values_Y1HTK[:, :, :, :0])
        hidden_PD, root = hidden_1TD[0, -1:], torch.zeros(1)
        beams = _Beams(node_P=root.long(), score_P=root, free_P=root, parent_P=root.long())
        score_N, named = torch.full((entities,), -torch.inf), 0.0
        for level in range(TOKENS_OF_ENTITY_MAX):
            beams = self._next(level, beams, hidden_PD)
            score_N, ended = self._ended(level + 1, beams, score_N)
            named += ended
            beams = self._kept(level + 1, beams)
            if not len(beams.node_P):
                break
            tokens_PD = self._tokens.input(self._last[level][beams.node_P])
            own = (own[0][:, beams.parent_P], own[1][:, beams.parent_P])
            hidden_PD, own = decoder.branch(tokens_PD, trunk, own)
        return Found(score_N=score_N, named=named)

    def _next(self, level: int, beams: _Beams, hidden_PD: Tensor) -> _Beams:
        """All nodes one token further."""
        logits_PK = self._model.head(hidden_PD) @ self._tokens.of_level(level).T
        exists_PK = self._exists[level][beams.node_P]
        masked_PK = logits_PK.masked_fill(~exists_PK, -torch.inf)
        score_PK = beams.score_P[:, None] + torch.log_softmax(masked_PK, dim=-1)
        free_PK = beams.free_P[:, None] + torch.log_softmax(logits_PK, dim=-1)
        parent_C, code_C = torch.nonzero(exists_PK, as_tuple=True)
        return _Beams(
            node_P=self._child[level][beams.node_P[parent_C], code_C],
            score_P=score_PK[parent_C, code_C],
            free_P=free_PK[parent_C, code_C],
            parent_P=parent_C,
        )

    def _ended(self, depth: int, beams: _Beams, score_N: Tensor) -> tuple[Tensor, float]:
        """Scores with those of entities whose ID ends at this depth, and their free probability."""
        node_N, further = self._node_NL[:, depth], depth < TOKENS_OF_ENTITY_MAX
        ends_N = node_N != NO_NODE
        if further:
            ends_N &= self._node_NL[:, depth + 1] == NO_NODE
        nodes = int(node_N.max()) + 1 if len(node_N) else 0
        of_node = torch.full((2, max(nodes, 0) + 1), -torch.inf)
        of_node[0, beams.node_P], of_node[1, beams.node_P] = beams.score_P, beams.free_P
        ended_N = node_N.clamp(min=0)[ends_N]
        score_N = score_N.clone()
        score_N[ends_N] = of_node[0, ended_N]
        return score_N, float(of_node[1, ended_N].exp().sum())

    def _kept(self, depth: int, beams: _Beams) -> _Beams:
        """Of the nodes that go on, the likeliest."""
        if depth == TOKENS_OF_ENTITY_MAX:
            going = torch.zeros(0, dtype=torch.long)
        else:
            going = torch.nonzero(self._going[depth][beams.node_P])[:, 0]
        if self._beams is not None and len(going) > self._beams:
            going = going[beams.score_P[going].topk(self._beams).indices]
        return _Beams(
            node_P=beams.node_P[going],
            score_P=beams.score_P[going],
            free_P=beams.free_P[going],
            parent_P=beams.parent_P[going],
        )


def search_of(model: PageModel, trie: Trie) -> TrieSearch:
    """Exact where the trie is small enough, with BEAMS otherwise."""
    nodes = sum(len(count_PK) for count_PK in trie.counts)
    return TrieSearch(model, trie, None if nodes <= EXACT_NODES_MAX else BEAMS)


def _children(trie: Trie, level: int) -> Tensor:
    """`child_PK`: the node each token of a level leads to from a node."""
    child_PK = np.full(trie.counts[level].shape, NO_NODE)
    going = np.flatnonzero(trie.node_NL[:, level + 1] != NO_NODE)
    child_PK[trie.node_NL[going, level], trie.code(going, level)] = trie.node_NL[going, level + 1]
    return torch.from_numpy(child_PK)


def _token_of_node(trie: Trie, depth: int) -> npt.NDArray[np.int64]:
    """The last token of each node of a depth."""
    node_N = trie.node_NL[:, depth]
    token_P = np.zeros(int(node_N.max(initial=NO_NODE)) + 1, np.int64)
    going_N = node_N != NO_NODE
    token_P[node_N[going_N]] = trie.token_NL[going_N, depth - 1]
    return token_P
