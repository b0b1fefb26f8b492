import io
import json
from dataclasses import replace

from rich.console import Console

from pagecast.cli.demo.change import Change
from pagecast.cli.demo.difference import Difference
from pagecast.cli.demo.launch import Launch, Placed
from pagecast.cli.demo.load import Load
from pagecast.cli.demo.reader import Read
from pagecast.cli.demo.report import Ingested, QualityReport, Ranked, Report
from pagecast.cli.demo.retraining import Learned
from pagecast.featurestore.models.verdicts import Criterion

NOTHING = Difference(rows_new=(), rows_gone=(), rows_moved=(), entities_new=(), entities_gone=())


def placed(kind: str, seconds: float) -> Placed:
    return Placed(
        entity_id=f"new-{kind}",
        kind=kind,
        title=kind.title(),
        row_id="recent",
        row_title="Recently released",
        user_id="7",
        seconds=seconds,
    )


REPORT = Report(
    seconds=300.0,
    model_version="0123456789abcdef",
    ingested=Ingested(events=1000, seconds=0.5),
    quality=QualityReport(
        protocol="prequential",
        model=Ranked(ndcg_at_10=0.05, hr_at_10=0.1),
        popularity=Ranked(ndcg_at_10=0.03, hr_at_10=0.07),
        last_item_counter=Ranked(ndcg_at_10=0.06, hr_at_10=0.12),
    ),
    change=Change(history_seconds=0.1, page_seconds=0.2, difference=NOTHING),
    launch=Launch(placed=(placed("movie", 0.3), placed("live_event", 0.7)), pages_after_window=2),
    load=Load(first_row_ms=(10.0, 20.0), page_ms=(100.0, 200.0), pages_per_second=9.5, degraded=0),
    learned=Learned(
        version="fedcba9876543210",
        criteria=(Criterion(name="keeps_rules", passed=True, told=""),),
        training_seconds=40.0,
        page_seconds=41.5,
        cost_share=0.0625,
        pages=(
            Read(
                user_id="ann",
                at_s=1.0,
                version="0123456789abcdef",
                first_row_ms=30.0,
                degraded=False,
            ),
            Read(
                user_id="ann",
                at_s=2.0,
                version="fedcba9876543210",
                first_row_ms=40.0,
                degraded=True,
            ),
        ),
    ),
)


def test_the_document_has_the_promised_keys() -> None:
    document = json.loads(json.dumps(REPORT.to_dict(), allow_nan=False))
    assert document["events_per_second"] == 2000.0
    assert document["event_to_page_seconds"] == 0.2
    assert document["new_entity_to_page_seconds"] == 0.7, "the slowest of them"
    assert document["time_to_first_row_ms"] == {"p50": 10.0, "p99": 20.0}
    assert document["time_to_page_ms"] == {"p50": 100.0, "p99": 200.0}
    assert document["pages_per_second"] == 9.5
    assert document["model_version"] == "0123456789abcdef"
    assert document["quality"] == {
        "protocol": "prequential",
        "ndcg_at_10": 0.05,
        "hr_at_10": 0.1,
        "baselines": {
            "popularity": {"ndcg_at_10": 0.03, "hr_at_10": 0.07},
            "last_item_counter": {"ndcg_at_10": 0.06, "hr_at_10": 0.12},
        },
    }


def test_the_document_tells_what_became_of_the_training() -> None:
    assert REPORT.to_dict()["learning"] == {
        "model_version": "fedcba9876543210",
        "promoted": True,
        "refused_by": [],
        "training_seconds": 40.0,
        "train_to_page_seconds": 41.5,
        "cost_share": 0.0625,
        "pages": 2,
        "pages_degraded": 1,
        "time_to_first_row_ms": {"p50": 30.0, "p99": 40.0},
    }
    criterion = Criterion(name="keeps_rules", passed=False, told="")
    refused = replace(REPORT.learned, criteria=(criterion,), page_seconds=None)
    told = replace(REPORT, learned=refused).to_dict()["learning"]
    assert (told["promoted"], told["refused_by"]) == (False, ["keeps_rules"])
    assert told["train_to_page_seconds"] is None


def test_the_closing_table_tells_the_same() -> None:
    terminal = Console(file=io.StringIO(), width=100)
    REPORT.show(terminal)
    written = terminal.file.getvalue()  # type: ignore[attr-defined]
    for told in (
        "2,000",
        "0.20 s",
        "new live event to page",
        "10 / 20 ms",
        "9.5",
        "0.0500",
        "41.5 s",
        "6.2%",
    ):
        assert told in written
