"""Made-up pages whose truth is known: slates drawn one entity after the other, as pages are.

Letters: X kinds of request, E entities, P pages, K places.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from pagecast.featurestore.experiments.off_policy import DrawnPages

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

REQUESTS, ENTITIES, PLACES = 20, 12, 3
ATTENTION_K = np.array([1.0, 0.7, 0.5])
"""Probability that each place is looked at: an entity is clicked less further down."""

DREAMS = 8
"""Pages of the target that the reward model judges per request."""


@dataclass(frozen=True, eq=False)
class Slates:
    """A policy that draws, a target at some distance from it, and what pages truly earn.

    `distance` 0 is the drawing policy itself.
    """

    seed: int
    distance: float
    logits_XE: Floats = field(init=False)
    target_XE: Floats = field(init=False)
    liked_XE: Floats = field(init=False)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        known_XE = rng.normal(0.0, 1.0, (REQUESTS, ENTITIES))
        better_XE = rng.normal(0.0, 1.0, (REQUESTS, ENTITIES))
        liked_XE = 1 / (1 + np.exp(-(known_XE + better_XE - 1.0)))
        object.__setattr__(self, "logits_XE", 0.5 * known_XE)
        object.__setattr__(self, "target_XE", 0.5 * known_XE + self.distance * better_XE)
        object.__setattr__(self, "liked_XE", liked_XE)

    def truth(self, pages: int = 400_000) -> float:
        """Mean reward of the target, by drawing from it."""
        rng = np.random.default_rng(self.seed + 1)
        request_P = rng.integers(0, REQUESTS, pages)
        return float(self._chance(request_P, _draw(rng, self.target_XE[request_P])).mean())

    def log(self, pages: int, seed: int) -> DrawnPages:
        """Pages of the drawing policy, two of each user for the same request.

        The reward model knows half of what is liked, and nothing of places.
        """
        rng = np.random.default_rng([self.seed, seed])
        request_P = np.repeat(rng.integers(0, REQUESTS, pages // 2), 2)
        page_PK = _draw(rng, self.logits_XE[request_P])
        clicks_PK = rng.random(page_PK.shape) < self._liked(request_P, page_PK) * ATTENTION_K
        dreams = [
            self._said(request_P, _draw(rng, self.target_XE[request_P])) for _ in range(DREAMS)
        ]
        return DrawnPages(
            user_P=np.arange(len(request_P)) // 2,
            reward_P=clicks_PK.sum(1).astype(float),
            log_drawn_P=_log_probability(self.logits_XE[request_P], page_PK),
            log_target_P=_log_probability(self.target_XE[request_P], page_PK),
            predicted_P=self._said(request_P, page_PK),
            expected_P=np.mean(dreams, axis=0),
        )

    def _liked(self, request_P: Ints, page_PK: Ints) -> Floats:
        liked_PK: Floats = self.liked_XE[request_P[:, None], page_PK]
        return liked_PK

    def _chance(self, request_P: Ints, page_PK: Ints) -> Floats:
        chance_P: Floats = (self._liked(request_P, page_PK) * ATTENTION_K).sum(1)
        return chance_P

    def _said(self, request_P: Ints, page_PK: Ints) -> Floats:
        said_P: Floats = (0.5 * self._liked(request_P, page_PK) + 0.1).sum(1)
        return said_P


def _draw(rng: np.random.Generator, logits_PE: Floats) -> Ints:
    """Draws one entity after the other, each once: the largest of the logits with Gumbel noise."""
    return np.argsort(-(logits_PE + rng.gumbel(size=logits_PE.shape)), axis=1)[:, :PLACES]


def _log_probability(logits_PE: Floats, page_PK: Ints) -> Floats:
    left_PE, total_P = np.exp(logits_PE), np.zeros(len(logits_PE))
    pages = np.arange(len(logits_PE))
    for place in range(PLACES):
        chosen_P = page_PK[:, place]
        total_P += np.log(left_PE[pages, chosen_P] / left_PE.sum(1))
        left_PE[pages, chosen_P] = 0.0
    return total_P
