"""Do the arms hold the users they should? If not, something else than chance chose who is counted.

A chi-square test read every day cries wolf sooner or later. This is its always-valid form: the
ratio of what a Dirichlet mixture of shares and what the planned shares say of the counts (Lindon
and Malek, "Anytime-valid inference for multinomial count data", NeurIPS 2022). With the planned
shares, the chance that the ratio ever reaches 1/alpha is at most alpha.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

ALPHA = 0.001
"""Chance of a false alarm over the whole life of an experiment: an alarm should stop people."""

CONCENTRATION = 1_000.0
"""Of the mixture: shares that are off by one or two points, as broken logging makes them, are found
soonest; larger faults are found at once in any case."""


@dataclass(frozen=True, kw_only=True)
class SampleRatio:
    """Users by arm against the shares planned, which sum to 1."""

    users: tuple[int, ...]
    planned: tuple[float, ...]
    evidence: float
    """How many times better shares other than the planned explain the users; at most 1e300."""

    @property
    def alarm(self) -> bool:
        return self.evidence >= 1 / ALPHA


def sample_ratio(users: Sequence[int], shares: Sequence[float]) -> SampleRatio:
    """Raises ValueError unless there is a share above 0 for each arm; they are made to sum to 1."""
    if len(users) != len(shares) or not shares or min(shares) <= 0:
        raise ValueError("each arm needs a count of users and a share above 0")
    planned = tuple(share / math.fsum(shares) for share in shares)
    log_mixed = math.lgamma(CONCENTRATION) - math.lgamma(CONCENTRATION + sum(users))
    log_planned = 0.0
    for count, share in zip(users, planned, strict=True):
        prior = CONCENTRATION * share
        log_mixed += math.lgamma(prior + count) - math.lgamma(prior)
        log_planned += count * math.log(share)
    evidence = math.exp(min(log_mixed - log_planned, 300 * math.log(10)))
    return SampleRatio(users=tuple(users), planned=planned, evidence=evidence)
