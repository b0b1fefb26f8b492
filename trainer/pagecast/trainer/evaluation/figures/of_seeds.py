"""Ranks of several seeds become figures.

Letters: T targets.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from pagecast.trainer.evaluation.figures.intervals import Bootstrap
from pagecast.trainer.evaluation.figures.ranks import (
    Gains,
    Ranks,
    hit_gains,
    ndcg_gains,
    reciprocal_ranks,
)
from pagecast.trainer.evaluation.protocols.requests import Split
from pagecast.trainer.evaluation.protocols.slices import slices
from pagecast.trainer.evaluation.reports.report import Both, Figures, Slice

_GAINS = {"ndcg": ndcg_gains, "hr": hit_gains, "mrr": reciprocal_ranks}


def mean_gains(by_seed: Sequence[Ranks]) -> Mapping[tuple[str, str], Gains]:
    """Each target's mean over seeds, by what is masked and by figure."""
    means: dict[tuple[str, str], Gains] = {}
    for name, of in _GAINS.items():
        means["masked", name] = np.mean([of(ranks.masked_T) for ranks in by_seed], axis=0)
        means["unmasked", name] = np.mean([of(ranks.unmasked_T) for ranks in by_seed], axis=0)
    return means


def figures_of(by_seed: Sequence[Ranks], bootstrap: Bootstrap) -> Both:
    """Means over targets and seeds; intervals are of the targets' users alone."""
    gains = mean_gains(by_seed)

    def figures(which: str) -> Figures:
        return Figures(
            ndcg_at_10=float(gains[which, "ndcg"].mean()),
            hr_at_10=float(gains[which, "hr"].mean()),
            mrr=float(gains[which, "mrr"].mean()),
            ndcg_at_10_interval=bootstrap.interval(gains[which, "ndcg"]),
        )

    return Both(masked=figures("masked"), unmasked=figures("unmasked"))


def slice_figures(split: Split, gain_T: Gains) -> Mapping[str, Slice]:
    """The mean gain of each slice of a split's targets."""
    return {
        name: Slice(
            targets=int(of_T.sum()), ndcg_at_10=float(gain_T[of_T].mean()) if of_T.any() else None
        )
        for name, of_T in slices(split).items()
    }
