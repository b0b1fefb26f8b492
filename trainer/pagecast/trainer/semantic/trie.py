"""The IDs of a catalog as a trie: a node for every beginning that some entity has.

Letters: N entities, L tokens of an ID, P nodes of one depth, K tokens of a level.
"""

from functools import cached_property

import numpy as np
import numpy.typing as npt

from pagecast.featurestore.prompt.semantic_ids import (
    LEVELS,
    NO_TOKEN,
    TOKENS_OF_ENTITY_MAX,
    level_tokens,
)

Ints = npt.NDArray[np.int64]

NO_NODE = -1
"""Where an entity's ID has ended before that depth."""


class Trie:
    """`token_NL` are the IDs, no two alike; depth 0 is the root, depth l has l tokens behind it."""

    def __init__(self, token_NL: Ints, codes: int) -> None:
        self.token_NL, self.codes = token_NL, codes
        self.begin_L = np.array([level_tokens(level, codes).start for level in range(LEVELS + 1)])
        """The first token of each level."""
        nodes = [np.zeros(len(token_NL), np.int64)]
        for depth in range(1, TOKENS_OF_ENTITY_MAX + 1):
            going_N = token_NL[:, depth - 1] != NO_TOKEN
            node_N = np.full(len(token_NL), NO_NODE)
            beginning = token_NL[going_N, :depth]
            node_N[going_N] = np.unique(beginning, axis=0, return_inverse=True)[1].ravel()
            nodes.append(node_N)
        self.node_NL = np.stack(nodes, axis=1)
        """The node at each depth, 0 to L, that leads to an entity."""

    def tokens_of(self, level: int) -> slice:
        """Where a level's tokens are in the table of all."""
        return level_tokens(level, self.codes)

    def code(self, entity_X: Ints, level: int) -> Ints:
        """The token of entities at a level that they have, counted within the level."""
        code_X: Ints = self.token_NL[entity_X, level] - self.begin_L[level]
        return code_X

    @cached_property
    def counts(self) -> tuple[Ints, ...]:
        """By level: `count_PK`, the entities that go on from a node with a token."""
        return tuple(self._counts(level) for level in range(TOKENS_OF_ENTITY_MAX))

    def _counts(self, level: int) -> Ints:
        of_level = self.tokens_of(level)
        going = np.flatnonzero(self.token_NL[:, level] != NO_TOKEN)
        nodes = int(self.node_NL[:, level].max(initial=NO_NODE)) + 1
        count_PK = np.zeros((nodes, of_level.stop - of_level.start), np.int64)
        np.add.at(count_PK, (self.node_NL[going, level], self.code(going, level)), 1)
        return count_PK
