"""Do the arms hold the users they should? If not, something other than chance chose who counts.

A chi-square test read every day cries wolf sooner or later. This is its always-valid form: the
likelihood of the counts under a Dirichlet mixture of shares, over that under the planned shares
(Lindon and Malek, "Anytime-valid inference for multinomial count data", NeurIPS 2022). With the
planned shares, the chance that the ratio ever reaches 1/alpha is at most alpha.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

ALPHA = 0.001
"""Chance of a false alarm over the whole life of an experiment: an alarm should stop people."""

CONCENTRATIONS = (10.0, 1_000.0)
"""Of two mixtures whose evidence is averaged. The first finds shares that are far off with a
hundred users, where the second is slow. The second needs fewer users to find those that are off by
one or two points, as broken logging makes them."""

EVIDENCE_MAX = 1e300
"""Not far above it floats end; nobody needs to be surer."""


@dataclass(frozen=True, kw_only=True)
class SampleRatio:
    """Users by arm against the shares planned, which sum to 1."""

    users: tuple[int, ...]
    planned: tuple[float, ...]
    evidence: float
    """How many times better other shares than the planned explain the users; at most 1e300."""

    @property
    def alarm(self) -> bool:
        return self.evidence >= 1 / ALPHA


def sample_ratio(users: Sequence[int], shares: Sequence[float]) -> SampleRatio:
    """Scales the shares to sum to 1. Raises ValueError unless there is one above 0 for each arm."""
    if len(users) != len(shares) or not shares or min(shares) <= 0:
        raise ValueError("each arm needs a count of users and a share above 0")
    planned = tuple(share / math.fsum(shares) for share in shares)
    log_planned = math.fsum(n * math.log(p) for n, p in zip(users, planned, strict=True))
    log_ratios = [_log_mixed(users, planned, c) - log_planned for c in CONCENTRATIONS]
    most = math.log(EVIDENCE_MAX)
    evidence = math.fsum(math.exp(min(each, most)) for each in log_ratios) / len(log_ratios)
    return SampleRatio(users=tuple(users), planned=planned, evidence=evidence)


def _log_mixed(users: Sequence[int], planned: Sequence[float], concentration: float) -> float:
    """The logarithm of what a Dirichlet mixture around the planned shares says of the users."""
    log_mixed = math.lgamma(concentration) - math.lgamma(concentration + sum(users))
    for count, share in zip(users, planned, strict=True):
        prior = concentration * share
        log_mixed += math.lgamma(prior + count) - math.lgamma(prior)
    return log_mixed
