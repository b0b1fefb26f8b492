"""The tokens of semantic IDs, and the merger that makes one position of an entity's codes.

Letters: E entities, V those of the vocabulary, L tokens of an ID (three codes and a digit, NO_TOKEN
where there is none), C tokens in all, K codes of a level, D width, S width of what is coded.
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from pagecast.featurestore.prompt.semantic_ids import (
    LEVELS,
    TOKENS_OF_ENTITY_MAX,
    Codebook,
    level_tokens,
    tokens_of_levels,
)
from pagecast.trainer.config import ModelConfig
from pagecast.trainer.semantic.trie import Trie


class SemanticTokens(nn.Module):
    """Embeddings of codes, untied, and the codebook they are of.

    `to_fused` tells from an entity's metadata where it would stand among those that were coded; it
    and the codebook are learned before the model and do not move.
    """

    centroid_LKS: Tensor
    code_VL: Tensor

    def __init__(self, config: ModelConfig, entities: int) -> None:
        super().__init__()
        tokens, width = tokens_of_levels(config.codes), config.d_model + config.output_width
        self.digits_at = level_tokens(LEVELS, config.codes).start
        self.input = nn.Embedding(tokens, config.d_model)
        self.output = nn.Embedding(tokens, config.output_width)
        self.merge = nn.Linear(LEVELS * config.d_model, config.d_model, bias=False)
        self.to_fused = nn.Linear(config.d_model, width)
        self.register_buffer("centroid_LKS", torch.zeros(LEVELS, config.codes, width))
        codes_VL = torch.zeros(entities, TOKENS_OF_ENTITY_MAX, dtype=torch.long)
        self.register_buffer("code_VL", codes_VL)
        self._trie: Trie | None = None

    def begin_as_sum(self) -> None:
        """The merger begins as the sum of an entity's codes."""
        with torch.no_grad():
            self.merge.weight.copy_(torch.eye(self.merge.out_features).repeat(1, LEVELS))

    def of_level(self, level: int) -> Tensor:
        """Output embeddings of a level's tokens."""
        return self.output.weight[level_tokens(level, self.centroid_LKS.shape[1])]

    def trie(self, token_EL: npt.NDArray[np.int64]) -> Trie:
        """Of a catalog's IDs; the newest is kept, since a training asks for it at every step."""
        if self._trie is None or not np.array_equal(self._trie.token_NL, token_EL):
            self._trie = Trie(token_EL, self.centroid_LKS.shape[1])
        return self._trie

    @property
    def codebook(self) -> Codebook:
        """Raises CodebookError if the model has not been given one."""
        return Codebook(centroid_LKS=self.centroid_LKS.numpy(), code_VL=self.code_VL.numpy())

    def merged(self, token_EL: Tensor) -> Tensor:
        """`merged_ED`: Linear(Concat(e1, e2, e3)) (docs/papers.md 2.4), for prompts.

        Where entities share three codes, all but the first add their digit: so an entity's
        position does not change when another one comes to share them.
        """
        merged_ED: Tensor = self.merge(self.input(token_EL[:, :LEVELS]).flatten(1))
        digit_E = token_EL[:, LEVELS]
        told_E1 = (digit_E > self.digits_at)[:, None]
        return merged_ED + torch.where(told_E1, self.input(digit_E.clamp(min=0)), 0.0)
