"""What was said of logged impressions, against what came of them.

Letters: X impressions.
"""

from dataclasses import dataclass

import numpy as np
from pydantic import JsonValue

from pagecast.trainer.evaluation.errors import EvaluationError
from pagecast.trainer.evaluation.figures.auc import Floats, auc_interval, weighted_auc
from pagecast.trainer.evaluation.figures.calibration import Calibration, calibration
from pagecast.trainer.evaluation.figures.intervals import Interval
from pagecast.trainer.evaluation.reports.impressions import Impressions, LoggedImpressions

SERVED, POSITION = "served", "position"
"""The models that served the pages, and their peer: higher up is better, whoever the user is."""


@dataclass(frozen=True, kw_only=True)
class LoggedSystem:
    """`calibration` is None where no probabilities are said."""

    name: str
    entity_auc: float
    entity_auc_interval: Interval
    row_auc: float
    row_auc_interval: Interval
    calibration: Calibration | None

    def to_json(self) -> dict[str, JsonValue]:
        entity, row = self.entity_auc_interval, self.row_auc_interval
        return {
            "name": self.name,
            "entity_auc": _known(self.entity_auc),
            "entity_auc_interval": [_known(entity.low), _known(entity.high)],
            "row_auc": _known(self.row_auc),
            "row_auc_interval": [_known(row.low), _known(row.high)],
            "calibration": None if self.calibration is None else self.calibration.to_json(),
        }


@dataclass(frozen=True, kw_only=True)
class LoggedReport:
    """Of the logged pages of a state directory."""

    data: str
    split_sha256: str
    pages: int
    users: int
    entities: int
    rows: int
    systems: tuple[LoggedSystem, ...]

    def to_json(self) -> dict[str, JsonValue]:
        """Of `pagecast evaluate --logged --json`; an AUC that does not exist is null."""
        return {
            "protocol": "logged-pages",
            "data": self.data,
            "split_sha256": self.split_sha256,
            "pages": self.pages,
            "users": self.users,
            "entity_impressions": self.entities,
            "row_impressions": self.rows,
            "systems": [system.to_json() for system in self.systems],
        }


def evaluate_logged(data_name: str, logged: LoggedImpressions) -> LoggedReport:
    """Raises EvaluationError if nothing was seen on any page."""
    if not len(logged.entities):
        raise EvaluationError(
            "logged: no page of a model has an impression; serve pages, and let clients report "
            "what was seen (docs/logged-pages.md)"
        )
    entities, rows = logged.entities, logged.rows
    liked_X = (entities.reward_X > 0).astype(np.float64)
    said = calibration(np.exp(entities.said_X), liked_X)
    return LoggedReport(
        data=data_name,
        split_sha256=logged.sha256,
        pages=logged.pages,
        users=logged.users,
        entities=len(entities),
        rows=len(rows),
        systems=(
            _system(SERVED, logged, entities.said_X, rows.said_X, said),
            _system(POSITION, logged, -entities.place_X, -rows.place_X, None),
        ),
    )


def _system(
    name: str,
    logged: LoggedImpressions,
    of_entities_X: Floats,
    of_rows_X: Floats,
    said: Calibration | None,
) -> LoggedSystem:
    entity_auc, entity_interval = _auc(logged.entities, of_entities_X)
    row_auc, row_interval = _auc(logged.rows, of_rows_X)
    return LoggedSystem(
        name=name,
        entity_auc=entity_auc,
        entity_auc_interval=entity_interval,
        row_auc=row_auc,
        row_auc_interval=row_interval,
        calibration=said,
    )


def _auc(impressions: Impressions, score_X: Floats) -> tuple[float, Interval]:
    positive_X, weight_X = impressions.reward_X > 0, impressions.weight_X
    auc = weighted_auc(score_X, positive_X, weight_X)
    return auc, auc_interval(score_X, positive_X, weight_X, impressions.user_X)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value
