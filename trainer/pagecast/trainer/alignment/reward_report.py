"""How far reward models can be trusted: out of sample, on members they have not learned from.

Letters: N pages, I entities that were seen.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
from pydantic import JsonValue

from pagecast.featurestore.pages.reward import RewardConfig
from pagecast.trainer.alignment.credit import Floats
from pagecast.trainer.alignment.logged_rewards import RewardedPage
from pagecast.trainer.alignment.page_reward import PageRewardModel
from pagecast.trainer.alignment.preference import PreferenceModel, liking
from pagecast.trainer.evaluation.figures.auc import weighted_auc
from pagecast.trainer.evaluation.figures.calibration import Calibration, calibration
from pagecast.trainer.evaluation.reports.html_table import html_table
from pagecast.trainer.evaluation.reports.plots import reliability


@dataclass(frozen=True, kw_only=True)
class RewardFigures:
    """Of one reward model on the judging half; every page weighs as its member does.

    `error` is the root of the mean squared error, `error_of_mean` that of always saying the
    learning half's mean: a model not below it has learned nothing. `explained` is 1 minus the ratio
    of their squares, `correlation` is Pearson's; both None where all rewards are alike. `auc` is of
    being worth more than nothing, None where nothing or everything was.
    """

    name: str
    learned: int
    judged: int
    members: int
    error: float
    error_of_mean: float
    explained: float | None
    correlation: float | None
    auc: float | None
    calibration: Calibration | None

    def to_json(self) -> dict[str, JsonValue]:
        told: dict[str, JsonValue] = {**asdict(self)}
        told["calibration"] = None if self.calibration is None else self.calibration.to_json()
        return told


@dataclass(frozen=True, kw_only=True)
class Gate:
    """Of what was seen, and of what was liked among it, the share that is relevant; every page
    weighs as its member does."""

    seen: float
    liked: float | None


@dataclass(frozen=True, kw_only=True)
class RewardReport:
    """Both reward models on the half that did not train them; the gate is of its entities."""

    salt: str
    page: RewardFigures
    preference: RewardFigures
    gate: Gate

    def to_json(self) -> dict[str, JsonValue]:
        return {
            "salt": self.salt,
            "page": self.page.to_json(),
            "preference": self.preference.to_json(),
            "gate": {"seen": self.gate.seen, "liked": self.gate.liked},
        }

    def rows(self) -> list[tuple[str, ...]]:
        """Cells of a table, under COLUMNS."""
        return [_cells(figures) for figures in (self.page, self.preference)]

    def html(self) -> str:
        """Table and calibration curves, as a part of a page that needs nothing from elsewhere."""
        curves = {
            figures.name: [(part.predicted, part.real) for part in figures.calibration.bins]
            for figures in (self.page, self.preference)
            if figures.calibration is not None
        }
        drawn = "".join(reliability({name: points}) for name, points in curves.items())
        return html_table(COLUMNS, self.rows()) + drawn


COLUMNS = (
    "model", "learned", "judged", "members", "error", "of the mean", "explained", "correlation",
    "AUC", "calibration error",
)  # fmt: skip


def judge_page_model(
    model: PageRewardModel, learned: Sequence[RewardedPage], judging: Sequence[RewardedPage]
) -> RewardFigures:
    """Raises RewardError for a prediction that is no number."""
    real_N = np.array([page.reward for page in judging])
    return _figures(
        "page reward",
        predicted=model.predict(judging),
        real=real_N,
        weight=np.array([page.weight for page in judging]),
        mean=float(model.by_facts.mean),
        counts=(len(learned), _members(judging)),
    )


def judge_preference(
    model: PreferenceModel,
    learned: Sequence[RewardedPage],
    judging: Sequence[RewardedPage],
    table: RewardConfig,
) -> RewardFigures:
    """The same of what was seen, entity by entity."""
    said = [model.predict([page.prompt], [list(page.rewards)])[0] for page in judging]
    known = [(liking(r, table), page.weight) for page in learned for r in page.rewards.values()]
    liked_I, weight_I = np.array(known).T
    return _figures(
        "preference",
        predicted=np.concatenate(said),
        real=np.array([liking(r, table) for page in judging for r in page.rewards.values()]),
        weight=np.array([page.weight for page in judging for _ in page.rewards]),
        mean=float(np.average(liked_I, weights=weight_I)),
        counts=(len(known), _members(judging)),
    )


def gate_of(lift_NE: Iterable[Floats], judging: Sequence[RewardedPage], lift_min: float) -> Gate:
    """`lift_NE` are of all entities, for each page."""
    open_I = np.array(
        [
            lift_E[entity] > lift_min
            for lift_E, page in zip(lift_NE, judging, strict=True)
            for entity in page.rewards
        ]
    )
    liked_I = np.array([reward > 0 for page in judging for reward in page.rewards.values()])
    weight_I = np.array([page.weight for page in judging for _ in page.rewards])
    liked = np.average(open_I[liked_I], weights=weight_I[liked_I]) if liked_I.any() else None
    return Gate(
        seen=float(np.average(open_I, weights=weight_I)),
        liked=None if liked is None else float(liked),
    )


def _figures(
    name: str,
    *,
    predicted: Floats,
    real: npt.NDArray[np.floating],
    weight: Floats,
    mean: float,
    counts: tuple[int, int],
) -> RewardFigures:
    error = float(np.average((predicted - real) ** 2, weights=weight))
    of_mean = float(np.average((mean - real) ** 2, weights=weight))
    varies = bool(predicted.std() > 0 and real.std() > 0)
    auc = weighted_auc(predicted, real > 0, weight)
    return RewardFigures(
        name=name,
        learned=counts[0],
        judged=len(real),
        members=counts[1],
        error=error**0.5,
        error_of_mean=of_mean**0.5,
        explained=1.0 - error / of_mean if of_mean > 0 else None,
        correlation=_correlation(predicted, real, weight) if varies else None,
        auc=None if np.isnan(auc) else auc,
        calibration=calibration(predicted, real, weight),
    )


def _correlation(predicted: Floats, real: npt.NDArray[np.floating], weight: Floats) -> float:
    """Pearson's, weighted; both vary."""
    covariance = np.cov(predicted, real, aweights=weight)
    return float(covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1]))


def _members(pages: Sequence[RewardedPage]) -> int:
    return len({page.user_id for page in pages})


def _cells(figures: RewardFigures) -> tuple[str, ...]:
    def number(value: float | None) -> str:
        return "-" if value is None else f"{value:.4f}"

    told = figures.calibration
    return (
        figures.name,
        f"{figures.learned:,}",
        f"{figures.judged:,}",
        f"{figures.members:,}",
        number(figures.error),
        number(figures.error_of_mean),
        number(figures.explained),
        number(figures.correlation),
        number(figures.auc),
        number(None if told is None else told.error),
    )
