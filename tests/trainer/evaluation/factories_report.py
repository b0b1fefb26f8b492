"""A report small enough to read."""

from pagecast.trainer.evaluation.figures.intervals import Difference, Interval
from pagecast.trainer.evaluation.reports.report import Both, Figures, Report, Slice, SystemReport


def both(ndcg: float) -> Both:
    figures = Figures(
        ndcg_at_10=ndcg,
        hr_at_10=0.3,
        mrr=0.2,
        ndcg_at_10_interval=Interval(low=ndcg - 0.01, high=ndcg + 0.01),
    )
    return Both(masked=figures, unmasked=figures)


SYSTEM = SystemReport(
    name="ease <1>",
    figures=both(0.125),
    cpu_seconds=1.5,
    chosen={"lambda": 100.0},
    slices={"new users": Slice(targets=0, ndcg_at_10=None)},
    staleness={0.0: both(0.125)},
    seeds={0: both(0.125)},
    difference=Difference(mean=0.02, interval=Interval(low=0.01, high=0.03)),
)

REPORT = Report(
    protocol="prequential",
    data="a & b",
    split_sha256="0" * 64,
    users=2,
    entities=3,
    interactions=20,
    targets=2,
    systems=(SYSTEM,),
)
