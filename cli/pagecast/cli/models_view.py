"""How a model of the registry is shown: for people, and as JSON."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pagecast.cli.output import Output
from pagecast.featurestore.models.records import AliasMove, ModelRecord
from pagecast.featurestore.models.verdicts import Verdict


def show_models(output: Output, records: Sequence[ModelRecord]) -> None:
    """A line per model."""
    output.table(
        "",
        ("version", "created", "aliases", "gate", "bundle", "NDCG@10", "HR@10"),
        [
            (
                record.version,
                moment(record.created_at_ms),
                " ".join(record.aliases),
                _gate(record),
                "kept" if record.freed_at_ms is None else "freed",
                with_interval(record, "ndcg_at_10"),
                with_interval(record, "hr_at_10"),
            )
            for record in records
        ],
    )


def show_model(output: Output, record: ModelRecord, moves: Sequence[AliasMove] = ()) -> None:
    """One model: where it came from, its figures, what the gate said, and its promotions."""
    output.table("", ("", ""), _facts(record))
    if record.verdict is not None:
        show_verdict(output, record.verdict)
    if moves:
        told = [(moment(m.moved_at_ms), m.reason, m.moved_by, _why(m)) for m in moves]
        output.table("\nhow it became champion", ("when", "what", "who", "why"), told)
    output.document({**model_to_dict(record), "promotions": [_move_to_dict(m) for m in moves]})


def show_verdict(output: Output, verdict: Verdict) -> None:
    """What the gate says, criterion by criterion."""
    rows = [("yes" if c.passed else "NO", c.name, c.told) for c in verdict.criteria]
    said = "passed" if verdict.passed else "refused"
    title = f"\ngate, against {verdict.champion or 'no champion'}: {said}"
    output.table(title, ("", "", ""), rows)


def model_to_dict(record: ModelRecord) -> dict[str, Any]:
    return {
        "version": record.version,
        "aliases": list(record.aliases),
        "created_at_ms": record.created_at_ms,
        "parent_version": record.parent_version,
        "code_version": record.code_version,
        "metrics": dict(record.metrics),
        "data": dict(record.data),
        "config": dict(record.config),
        "verdict": None if record.verdict is None else record.verdict.to_json(),
        "freed_at_ms": record.freed_at_ms,
    }


def moment(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M}"


def with_interval(record: ModelRecord, name: str) -> str:
    """A metric, with its interval's ends if it has one."""
    metrics = record.metrics
    if name not in metrics:
        return "-"
    told = f"{metrics[name]:.4f}"
    low, high = metrics.get(f"{name}_low"), metrics.get(f"{name}_high")
    return told if low is None or high is None else f"{told} ({low:.4f} to {high:.4f})"


def _facts(record: ModelRecord) -> list[tuple[str, str]]:
    ends = {f"{name}{end}" for name in record.metrics for end in ("_low", "_high")}
    figures = sorted(name for name in record.metrics if name not in ends)
    return [
        ("version", record.version),
        ("aliases", " ".join(record.aliases) or "-"),
        ("created", moment(record.created_at_ms)),
        ("parent", record.parent_version or "-"),
        ("code", record.code_version or "-"),
        ("embeddings", _embeddings(record)),
        ("bundle", "kept" if record.freed_at_ms is None else f"freed {moment(record.freed_at_ms)}"),
        *((name, with_interval(record, name)) for name in figures),
    ]


def _embeddings(record: ModelRecord) -> str:
    """Whose axes they are published in; the figures say how far they moved."""
    told = record.data.get("stabilisation")
    if not isinstance(told, Mapping):
        return "published as they are"
    if told["towards"]:
        return f"in the axes of {told['towards']}, {told['entities']} entities in common"
    return f"axes of their own: {told['told']}"


def _gate(record: ModelRecord) -> str:
    if record.verdict is None:
        return "not asked"
    return "passed" if record.verdict.passed else "refused"


def _why(move: AliasMove) -> str:
    return " ".join(part for part in ("(forced)" if move.forced else "", move.note) if part)


def _move_to_dict(move: AliasMove) -> dict[str, Any]:
    return {
        "moved_at_ms": move.moved_at_ms,
        "moved_by": move.moved_by,
        "reason": move.reason,
        "forced": move.forced,
        "note": move.note,
    }
