"""The head: which of the eligible tokens follows a hidden state (docs/papers.md 1.8).

Logits are products with the output embeddings of the eligible only, in numpy: a full head in the
graph would evict the decoder's weights from the processor's cache at every step (docs/facts.md).

Letters in names: N entities of the snapshot, C candidates of a row, V what competes: rows or
candidates, D width.
"""

import math
from dataclasses import dataclass

import numpy as np

from pagecast.engine.errors import EngineError
from pagecast.engine.graph import FloatArray
from pagecast.rules.predicates import Indices, Mask

NEAR_TIE = 1e-3
"""If the best logit leads the second by less, another chunking may choose the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A token by its position among what competed, and its log-probability under the mask."""

    position: int
    log_probability: float
    near_tie: bool = False


def choose(logits_V: FloatArray, mask_V: Mask) -> Choice:
    """The best of what the mask allows; the first of equals. `mask_V` must allow something.

    Raises EngineError if the best logit is not a number: the model is broken, not the page.
    """
    return best(np.where(mask_V, logits_V, -np.inf))


def best(masked_V: FloatArray) -> Choice:
    """As `choose`, of logits that are minus infinity where the mask allows nothing."""
    position = int(masked_V.argmax())
    most = masked_V[position]
    if not math.isfinite(most):
        raise EngineError(f"the model's best logit is {most}")
    behind_V = masked_V - most
    near_tie = int(np.count_nonzero(behind_V >= -NEAR_TIE)) > 1
    total = float(np.add.reduce(np.exp(behind_V, out=behind_V), dtype=np.float64))
    return Choice(position=position, log_probability=0.0 - math.log(total), near_tie=near_tie)


def likeliest(logits_V: FloatArray, most: int) -> Indices:
    """Positions of the `most` highest, ascending. `most` must be fewer than there are."""
    kept = np.argpartition(logits_V, -most)[-most:]
    return np.sort(kept).astype(np.int64)


class CandidateHead:
    """Logits of one row's candidates: their output embeddings, gathered once for the row."""

    def __init__(self, output_ND: FloatArray, candidates_C: Indices) -> None:
        # Copying most of a table costs more than multiplying the rest of it needlessly.
        gathers = len(candidates_C) < len(output_ND) // 2
        self._output_VD = output_ND.take(candidates_C, axis=0) if gathers else output_ND
        self._selected = None if gathers else candidates_C

    def logits(self, hidden_D: FloatArray) -> FloatArray:
        """Logits [C], which the caller may write to."""
        logits_V = self._output_VD @ hidden_D
        return logits_V if self._selected is None else logits_V.take(self._selected)
