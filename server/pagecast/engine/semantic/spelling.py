"""How a model spells entities: the tokens of semantic IDs, and the codebook they come from.

Letters in names: N entities, L tokens of an ID, C tokens in all or candidates of a row, A those
that begin with what was chosen, K tokens of a level, S width of what is coded, D width, X three D.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from pagecast.engine.bundles.manifest import ModelShape
from pagecast.engine.choice import Choice
from pagecast.engine.errors import BundleError
from pagecast.engine.graph import FloatArray
from pagecast.engine.picking import Picker, Place
from pagecast.featurestore.prompt.semantic_ids import (
    LEVELS,
    NO_TOKEN,
    TOKENS_OF_ENTITY_MAX,
    Codebook,
    CodebookError,
    level_tokens,
    tokens_of_levels,
)
from pagecast.rules.entity_mask import EntityMask
from pagecast.rules.predicates import Indices

SPELLING_PREFIX = "tower.codes."
"""What names of the tensors that are needed here begin with."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Spelling:
    """Embeddings of tokens, the token merger, and the codebook."""

    input_CD: FloatArray
    output_CO: FloatArray
    merge_DX: FloatArray
    codebook: Codebook

    @classmethod
    def of(
        cls, file: str, weights: Mapping[str, FloatArray], model: ModelShape, entities: int
    ) -> Self:
        """From the tensors of a bundle's `file`; `entities` are the vocabulary's.

        Raises BundleError.
        """
        d, o, codes = model.d_model, model.output_dim, model.codes
        tokens = tokens_of_levels(codes)
        shapes = {
            "input.weight": (tokens, d),
            "output.weight": (tokens, o),
            "merge.weight": (d, LEVELS * d),
            "centroid_LKS": (LEVELS, codes, d + o),
            "code_VL": (entities, TOKENS_OF_ENTITY_MAX),
        }
        tensors = {}
        for name, shape in shapes.items():
            where = f"{file}: {SPELLING_PREFIX}{name}"
            if (tensor := weights.get(f"{SPELLING_PREFIX}{name}")) is None:
                raise BundleError(f"{where} is missing")
            if tensor.shape != shape or not np.isfinite(tensor).all():
                raise BundleError(f"{where} must be finite, of shape {list(shape)}")
            tensors[name] = tensor.copy()
        try:
            codebook = Codebook(
                centroid_LKS=tensors["centroid_LKS"], code_VL=tensors["code_VL"].astype(np.int64)
            )
        except CodebookError as error:
            raise BundleError(f"{file}: {error}") from error
        return cls(
            input_CD=tensors["input.weight"],
            output_CO=tensors["output.weight"],
            merge_DX=tensors["merge.weight"],
            codebook=codebook,
        )

    def merged(self, token_NL: Indices) -> FloatArray:
        """`merged_ND`: one position for each entity (docs/papers.md 2.4), as the trainer merges."""
        codes_NX = self.input_CD[token_NL[:, :LEVELS]].reshape(
            len(token_NL), self.merge_DX.shape[1]
        )
        merged_ND = codes_NX @ self.merge_DX.T
        told_N = token_NL[:, LEVELS] > level_tokens(LEVELS, self.codebook.codes).start
        merged_ND[told_N] += self.input_CD[token_NL[told_N, LEVELS]]
        return merged_ND

    def spelled(self, token_NL: Indices) -> FloatArray:
        """The entities' tokens in a row, [T, D], as they are fed to a page."""
        token_T = token_NL[token_NL != NO_TOKEN]
        tokens_TD: FloatArray = self.input_CD[token_T]
        return tokens_TD


class RowSpeller:
    """Chooses a row's entities token by token, masked by the tokens its candidates have.

    The trie of IDs is never built for a request: the candidates that begin with what was chosen
    remain, and the tokens they go on with are what may come next. So the rules' sets of eligible
    entities are the mask at every token: no entity comes out that does not exist or may not stand.
    An entity's first token takes one pass over the candidates, the others over ever fewer.
    """

    def __init__(self, spelling: Spelling, token_CL: Indices) -> None:
        self._spelling, self._token_CL = spelling, token_CL
        self._begin(np.zeros(0, np.int64))

    def _begin(self, alive_A: Indices) -> None:
        self._alive_A, self._level = alive_A, 0
        self._log_probability, self._near_tie = 0.0, False

    def choose(
        self, hidden_D: FloatArray, mask: EntityMask, place: Place, picker: Picker
    ) -> tuple[FloatArray, Choice | None]:
        """The next token [D], and the entity it ends, by its position among the candidates.

        Its log-probability is the sum of its tokens'.
        """
        if not self._level:
            self._begin(np.flatnonzero(np.isfinite(mask.apply(np.zeros(len(self._token_CL))))))
        of_level = level_tokens(self._level, self._spelling.codebook.codes)
        code_A = self._token_CL[self._alive_A, self._level] - of_level.start
        logits_K = self._spelling.output_CO[of_level] @ hidden_D
        masked_K = np.full_like(logits_K, -np.inf)
        masked_K[code_A] = logits_K[code_A]
        choice = picker.pick(masked_K, place._replace(code=self._level + 1), None)
        self._log_probability += choice.log_probability
        self._near_tie |= choice.near_tie
        self._alive_A = self._alive_A[code_A == choice.position]
        self._level += 1
        return self._spelling.input_CD[of_level.start + choice.position], self._ended()

    def _ended(self) -> Choice | None:
        if self._level < LEVELS:
            return None
        position = int(self._alive_A[0])
        if self._level == LEVELS and self._token_CL[position, LEVELS] != NO_TOKEN:
            return None
        self._level = 0
        return Choice(
            position=position,
            log_probability=self._log_probability,
            near_tie=self._near_tie,
        )
