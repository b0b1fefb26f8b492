"""The end: all that was measured, as a table and as JSON."""

from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from pagecast.cli.demo.change import Change
from pagecast.cli.demo.launch import Launch
from pagecast.cli.demo.load import Load
from pagecast.cli.demo.retraining import Learned
from pagecast.cli.percentile import percentile


@dataclass(frozen=True, kw_only=True)
class Ingested:
    """A catch-up of the ingest worker."""

    events: int
    seconds: float

    @property
    def events_per_second(self) -> float:
        return self.events / self.seconds


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """How well the next entity was predicted: full-catalog ranking, one relevant entity."""

    ndcg_at_10: float
    hr_at_10: float


@dataclass(frozen=True, kw_only=True)
class QualityReport:
    """The model beside its baselines, on the slice after its training."""

    protocol: str
    model: Ranked
    popularity: Ranked
    last_item_counter: Ranked

    def to_dict(self) -> dict[str, Any]:
        return {
            "protocol": self.protocol,
            **asdict(self.model),
            "baselines": {
                "popularity": asdict(self.popularity),
                "last_item_counter": asdict(self.last_item_counter),
            },
        }


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything the demo measured."""

    seconds: float
    """From the first step to here."""
    model_version: str
    ingested: Ingested
    quality: QualityReport
    change: Change
    launch: Launch
    load: Load
    learned: Learned

    def to_dict(self) -> dict[str, Any]:
        """The document of `pagecast demo --json`."""
        return {
            "events_per_second": round(self.ingested.events_per_second, 1),
            "event_to_history_seconds": round(self.change.history_seconds, 4),
            "event_to_page_seconds": round(self.change.page_seconds, 4),
            "new_entity_to_page_seconds": round(max(p.seconds for p in self.launch.placed), 4),
            "new_entities": [
                {
                    "entity_id": placed.entity_id,
                    "kind": placed.kind,
                    "row_id": placed.row_id,
                    "seconds": round(placed.seconds, 4),
                }
                for placed in self.launch.placed
            ],
            "time_to_first_row_ms": _p50_p99(self.load.first_row_ms),
            "time_to_page_ms": _p50_p99(self.load.page_ms),
            "pages_per_second": round(self.load.pages_per_second, 2),
            "pages_degraded": self.load.degraded,
            "model_version": self.model_version,
            "quality": self.quality.to_dict(),
            "learning": _learning(self.learned),
            "seconds": round(self.seconds, 1),
        }

    def show(self, console: Console) -> None:
        values = self.to_dict()
        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column(style="bold")
        table.add_column(justify="right")
        for name, value in (
            ("events ingested per second", f"{values['events_per_second']:,.0f}"),
            ("event to page", f"{values['event_to_page_seconds']:.2f} s"),
            *(
                (f"new {placed.kind.replace('_', ' ')} to page", f"{placed.seconds:.2f} s")
                for placed in self.launch.placed
            ),
            ("time to first row p50 / p99", _milliseconds(values["time_to_first_row_ms"])),
            ("time to page p50 / p99", _milliseconds(values["time_to_page_ms"])),
            ("pages per second", f"{values['pages_per_second']:.1f}"),
            ("model", self.model_version),
            ("asked to train, to the first page of it", _first_page(self.learned)),
            ("its training loop, of the first one's", f"{self.learned.cost_share:.1%}"),
            ("the whole demo", f"{self.seconds / 60:.1f} min"),
        ):
            table.add_row(name, value)
        console.print(table)
        console.print()
        show_quality(console, self.quality)


def show_quality(console: Console, quality: QualityReport) -> None:
    """The model and its baselines, beside each other."""
    table = Table("", "NDCG@10", "HR@10", box=None, pad_edge=False)
    for name, ranked in (
        ("pagecast", quality.model),
        ("recent popularity", quality.popularity),
        ("last-item counter", quality.last_item_counter),
    ):
        table.add_row(name, f"{ranked.ndcg_at_10:.4f}", f"{ranked.hr_at_10:.4f}")
    console.print(table)


def _learning(learned: Learned) -> dict[str, Any]:
    first_row_ms = tuple(page.first_row_ms for page in learned.pages)
    seconds = learned.page_seconds
    return {
        "model_version": learned.version,
        "promoted": seconds is not None,
        "refused_by": list(learned.refused_by),
        "training_seconds": round(learned.training_seconds, 2),
        "train_to_page_seconds": None if seconds is None else round(seconds, 2),
        "cost_share": round(learned.cost_share, 4),
        "pages": len(learned.pages),
        "pages_degraded": learned.degraded,
        "time_to_first_row_ms": _p50_p99(first_row_ms),
    }


def _first_page(learned: Learned) -> str:
    if learned.page_seconds is None:
        return f"refused by {', '.join(learned.refused_by) or 'nobody: it was not judged'}"
    return f"{learned.page_seconds:.1f} s"


def _p50_p99(values: tuple[float, ...]) -> dict[str, float]:
    return {"p50": round(percentile(values, 0.5), 2), "p99": round(percentile(values, 0.99), 2)}


def _milliseconds(values: dict[str, float]) -> str:
    return f"{values['p50']:.0f} / {values['p99']:.0f} ms"
