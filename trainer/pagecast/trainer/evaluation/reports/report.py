"""What an evaluation tells, and its JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from pydantic import JsonValue

from pagecast.trainer.evaluation.figures.intervals import Difference, Interval
from pagecast.trainer.evaluation.protocols.requests import REFERENCE
from pagecast.trainer.evaluation.reports.page_report import PageFigures
from pagecast.trainer.evaluation.systems.system import Chosen


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Means over targets, 0 to 1."""

    ndcg_at_10: float
    hr_at_10: float
    mrr: float
    ndcg_at_10_interval: Interval

    def to_json(self) -> dict[str, JsonValue]:
        interval = self.ndcg_at_10_interval
        return {**asdict(self), "ndcg_at_10_interval": [interval.low, interval.high]}


@dataclass(frozen=True, kw_only=True)
class Both:
    """Masked leaves out the entities of the visible history, unmasked does not."""

    masked: Figures
    unmasked: Figures

    def to_json(self) -> dict[str, JsonValue]:
        return {"masked": self.masked.to_json(), "unmasked": self.unmasked.to_json()}


@dataclass(frozen=True, kw_only=True)
class Slice:
    """Masked NDCG@10 of some of the targets; None if there are none."""

    targets: int
    ndcg_at_10: float | None

    def to_json(self) -> dict[str, JsonValue]:
        return {"targets": self.targets, "ndcg_at_10": self.ndcg_at_10}


@dataclass(frozen=True, kw_only=True)
class SystemReport:
    """Of one system, the mean of its seeds; `staleness` is by delay in seconds, 0 among them.

    `cpu_seconds` is the process's, of choosing, fitting and scoring, all seeds and delays.
    `difference` is to the reference; None for itself, or if it was not asked for. `beside` are the
    protocol's other questions by name, `pages` is of whole pages, where they were asked for.
    """

    name: str
    figures: Both
    cpu_seconds: float
    chosen: Chosen
    slices: Mapping[str, Slice]
    staleness: Mapping[float, Both]
    seeds: Mapping[int, Both]
    difference: Difference | None = None
    beside: Mapping[str, Both] = field(default_factory=dict)
    pages: PageFigures | None = None

    def to_json(self, reference: str) -> dict[str, JsonValue]:
        told: dict[str, JsonValue] = {
            "name": self.name,
            **self.figures.to_json(),
            "cpu_seconds": self.cpu_seconds,
            "chosen": dict(self.chosen),
            "slices": {name: part.to_json() for name, part in self.slices.items()},
        }
        if len(self.staleness) > 1:
            told["staleness"] = [
                {"seconds": delay_s, **both.to_json()} for delay_s, both in self.staleness.items()
            ]
        if len(self.seeds) > 1:
            told["seeds"] = [{"seed": seed, **both.to_json()} for seed, both in self.seeds.items()]
        if self.difference is not None:
            interval = self.difference.interval
            told["difference"] = {
                "to": reference,
                "ndcg_at_10": self.difference.mean,
                "interval": [interval.low, interval.high],
                "significant": self.difference.significant,
            }
        if self.beside:
            told["beside"] = {name: both.to_json() for name, both in self.beside.items()}
        if self.pages is not None:
            told["pages"] = self.pages.to_json()
        return told


@dataclass(frozen=True, kw_only=True)
class Report:
    """Of one protocol on one data set. Counts are of interactions, and of the test's targets.

    `retrain_every` is the plan's.
    """

    protocol: str
    data: str
    split_sha256: str
    users: int
    entities: int
    interactions: int
    targets: int
    systems: tuple[SystemReport, ...]
    reference: str = REFERENCE
    retrain_every: int = 0

    def to_json(self) -> dict[str, JsonValue]:
        """Of `pagecast evaluate --json`."""
        return {
            "protocol": self.protocol,
            **({"retrain_every": self.retrain_every} if self.retrain_every else {}),
            "data": self.data,
            "split_sha256": self.split_sha256,
            "users": self.users,
            "entities": self.entities,
            "interactions": self.interactions,
            "targets": self.targets,
            "systems": [system.to_json(self.reference) for system in self.systems],
        }
