"""Which token is picked at a place on a page: the best, or one that is drawn.

Drawing is reproducible: the randomness of a place depends only on the page's seed and on the place,
not on what was drawn before (a counter-based generator, Philox). It is added to the logits (the
Gumbel-max trick), so the token drawn is the best by perturbed logits, and near ties are told for it
in the same way.

Letters in names: V what competes: rows or candidates. `masked_V` are logits, minus infinity where
the rules let nothing stand.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from pagecast.engine.choice import NEAR_TIE, Choice, best
from pagecast.engine.errors import EngineError
from pagecast.engine.graph import FloatArray
from pagecast.rules.predicates import Indices

_STREAM = 0x5041474543415354
"""Second half of the generator's key: other uses of a seed draw other numbers."""


class Place(NamedTuple):
    """Where on the page: the row's position, and in it 0 for the row, 1 for its first entity...

    If entities are spelled, `code` is 1 for the first token of an ID; otherwise it is 0.
    """

    row: int
    token: int
    code: int = 0


class Picker(Protocol):
    """Picks among what the rules let stand, which is always something."""

    def pick(self, masked_V: FloatArray, place: Place, tokens_V: Indices | None) -> Choice:
        """`tokens_V` are the entities that compete; None if rows or codes do.

        Raises EngineError.
        """

    def log_probability(self, masked_V: FloatArray, position: int) -> float:
        """Of a token under the distribution that is picked from; minus infinity outside it."""

    def expects(self, row_position: int, /) -> Sequence[int]:
        """Entities that will be picked in a row however unlikely they are: every shortlist has
        them."""


class ExpectsNothing:
    """What pickers by likelihood share."""

    def expects(self, _row_position: int) -> Sequence[int]:
        return ()


class Greedy(ExpectsNothing):
    """Picks the best; of equals the first."""

    def pick(self, masked_V: FloatArray, _place: Place, _tokens_V: Indices | None) -> Choice:
        return best(masked_V)

    def log_probability(self, masked_V: FloatArray, position: int) -> float:
        return float(_log_probabilities(masked_V, 1.0)[position])


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampler(ExpectsNothing):
    """Draws from the distribution at a temperature above 0, cut to its nucleus of `top_p`."""

    seed: int
    temperature: float
    top_p: float = 1.0

    def pick(self, masked_V: FloatArray, place: Place, _tokens_V: Indices | None) -> Choice:
        log_p_V = self._distribution(masked_V)
        perturbed_V = log_p_V + gumbel(self.seed, place, len(log_p_V))
        position = int(perturbed_V.argmax())
        # A shift of a logit by NEAR_TIE is one of this size here.
        lead = perturbed_V[position] - NEAR_TIE / self.temperature
        return Choice(
            position=position,
            log_probability=float(log_p_V[position]),
            near_tie=int(np.count_nonzero(perturbed_V >= lead)) > 1,
        )

    def log_probability(self, masked_V: FloatArray, position: int) -> float:
        return float(self._distribution(masked_V)[position])

    def _distribution(self, masked_V: FloatArray) -> npt.NDArray[np.float64]:
        log_p_V = _log_probabilities(masked_V, self.temperature)
        return log_p_V if self.top_p >= 1 else _nucleus(log_p_V, self.top_p)


def gumbel(seed: int, place: Place, count: int) -> npt.NDArray[np.float64]:
    """Standard Gumbel numbers of a place; the same on every machine and with every numpy.

    The generator's raw output is used: how numpy turns it into other numbers may change.
    """
    key = np.array([seed, _STREAM], np.uint64)
    counter = np.array([0, place.token, place.row, place.code], np.uint64)
    raw = np.random.Philox(key=key, counter=counter).random_raw(count)
    uniform = ((raw >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    return -np.log(-np.log(uniform))


def _log_probabilities(masked_V: FloatArray, temperature: float) -> npt.NDArray[np.float64]:
    scaled_V = masked_V.astype(np.float64) / temperature
    most = scaled_V.max()
    if not np.isfinite(most):
        raise EngineError(f"the model's best logit is {most}")
    scaled_V -= most
    log_p_V: npt.NDArray[np.float64] = scaled_V - math.log(np.exp(scaled_V).sum())
    return log_p_V


def _nucleus(log_p_V: npt.NDArray[np.float64], top_p: float) -> npt.NDArray[np.float64]:
    """The fewest of the likeliest that have `top_p` together, of equals the first."""
    order_V = np.argsort(-log_p_V, kind="stable")
    together_V = np.cumsum(np.exp(log_p_V[order_V]))
    kept = int(np.searchsorted(together_V, top_p)) + 1
    cut_V = np.full_like(log_p_V, -np.inf)
    kept_V = order_V[:kept]
    cut_V[kept_V] = log_p_V[kept_V] - math.log(together_V[min(kept, len(order_V)) - 1])
    return cut_V
