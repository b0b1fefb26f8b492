"""The second and the third stage: which entities of a row come first, and which rows.

Letters: N entities and R rows of the catalog, M alternatives, F features of an entity, G of a row.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from pagecast.engine.multi_stage.candidates import Candidates
from pagecast.engine.multi_stage.features import ENTITY_FEATURES, ROW_FEATURES
from pagecast.engine.multi_stage.rows import RowViews
from pagecast.engine.multi_stage.tables import MultiStageTables
from pagecast.rules import bitsets
from pagecast.trainer.multi_stage.conditional_logit import Choices, fitted
from pagecast.trainer.multi_stage.config import MultiStageConfig
from pagecast.trainer.multi_stage.examples import Example

ENTITY_PRIOR = {"log_ease": 1.0, "log_count": 0.5, "popular_now": 1.0, "genre_affinity": 1.0}
"""What the entity ranker begins with: EASE times a popularity prior, and a taste in genres."""

ROW_PRIOR = {"log_hit": 1.0, "log_own_share": 0.3}
"""What the row ranker begins with: how likely a row holds what comes next."""


def prior_tables(
    entity_ids: tuple[str, ...],
    weight_CC: npt.NDArray[np.float32],
    count_C: npt.NDArray[np.float64],
    half: float,
) -> MultiStageTables:
    """Tables whose rankers have learned nothing yet."""
    return MultiStageTables(
        entity_ids=entity_ids,
        weight_CC=weight_CC,
        count_C=count_C.astype(np.float32),
        entity_ranker_F=_vector(ENTITY_FEATURES, ENTITY_PRIOR),
        row_ranker_G=_vector(ROW_FEATURES, ROW_PRIOR),
        history_half=half,
    )


def with_entity_ranker(
    candidates: Candidates, examples: Iterable[Example], config: MultiStageConfig
) -> MultiStageTables:
    """Learns which of all that might have stood on the page was chosen."""
    tables = candidates.tables
    draw = np.random.default_rng(config.seed)
    rows = [_entity_choice(candidates, example, draw, config) for example in examples]
    ranker_F = fitted(_stacked(rows, config.candidates_max), tables.entity_ranker_F, config.pull)
    return replace(tables, entity_ranker_F=ranker_F)


def with_row_ranker(
    candidates: Candidates, examples: Iterable[Example], config: MultiStageConfig
) -> MultiStageTables:
    """Learns which rows would have shown what was chosen among their first entities."""
    tables = candidates.tables
    rows = [choice for one in examples if (choice := _row_choice(candidates, one)) is not None]
    most = max((len(feature_MG) for feature_MG, _ in rows), default=1)
    return replace(
        tables, row_ranker_G=fitted(_stacked(rows, most), tables.row_ranker_G, config.pull)
    )


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """How good the stages are on examples that they have not met."""

    examples: int
    ease_ndcg_at_10: float
    entity_ndcg_at_10: float
    first_row_hit: float
    """Share of examples whose entity is in the first row the row ranker would place."""

    def metrics(self) -> dict[str, float]:
        return {f"multi_stage_{name}": float(value) for name, value in vars(self).items()}


def tested(candidates: Candidates, examples: Iterable[Example]) -> Ranked:
    """Ranks among all that may stand on the page; zeros without an example."""
    tables, found = candidates.tables, list[tuple[float, float, float]]()
    for one in examples:
        entity_H = candidates.history(one.prompt.steps)
        feature_NF = candidates.entity_features(one.prompt, one.rules, entity_H)
        logits_N = feature_NF @ tables.entity_ranker_F
        members = _members(one)
        views = RowViews(candidates, one.rules, logits_N, entity_H)
        logits_R = np.where(_may_begin(one), views.features() @ tables.row_ranker_G, -np.inf)
        hit = one.chosen in views.first_entities(int(logits_R.argmax()))
        ease_N = feature_NF[:, ENTITY_FEATURES.index("ease")]
        found.append(
            (_gain(ease_N, members, one.chosen), _gain(logits_N, members, one.chosen), hit)
        )
    ease, entity, hit_rate = np.mean(found, axis=0).tolist() if found else (0.0, 0.0, 0.0)
    return Ranked(
        examples=len(found),
        ease_ndcg_at_10=ease,
        entity_ndcg_at_10=entity,
        first_row_hit=hit_rate,
    )


_Choice = tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]
"""Features of the alternatives, and which of them are right."""


def _entity_choice(
    candidates: Candidates, one: Example, draw: np.random.Generator, config: MultiStageConfig
) -> _Choice:
    entity_H = candidates.history(one.prompt.steps)
    others = _members(one)
    others = others[others != one.chosen]
    count = min(config.candidates_max - 1, len(others))
    alternatives = np.append(draw.choice(others, count, replace=False), one.chosen)
    feature_NF = candidates.entity_features(one.prompt, one.rules, entity_H)
    return feature_NF[alternatives], alternatives == one.chosen


def _row_choice(candidates: Candidates, one: Example) -> _Choice | None:
    """None if every row or none would have shown it: nothing is to be learned from that."""
    entity_H = candidates.history(one.prompt.steps)
    feature_NF = candidates.entity_features(one.prompt, one.rules, entity_H)
    logits_N = feature_NF @ candidates.tables.entity_ranker_F
    views = RowViews(candidates, one.rules, logits_N, entity_H)
    rows = np.flatnonzero(_may_begin(one))
    shows = np.array([one.chosen in views.first_entities(row) for row in rows.tolist()], bool)
    return (views.features()[rows], shows) if shows.any() and not shows.all() else None


def _may_begin(one: Example) -> npt.NDArray[np.bool_]:
    """Rows with enough candidates, wherever they are pinned: their order is what is learned."""
    enough_R: npt.NDArray[np.bool_] = (
        bitsets.sizes(one.rules.candidates_RW) >= one.rules.entities_min_R
    )
    return enough_R


def _members(one: Example) -> npt.NDArray[np.int64]:
    any_W = np.bitwise_or.reduce(one.rules.candidates_RW, axis=0)
    return bitsets.members(any_W, len(one.rules.catalog.snapshot.entities))


def _gain(score_N: npt.NDArray[np.float32], members: npt.NDArray[np.int64], chosen: int) -> float:
    """NDCG@10 of one chosen entity; ties count against it."""
    rank = int((score_N[members] >= score_N[chosen]).sum()) - 1
    return float(1.0 / np.log2(rank + 2)) if rank < 10 else 0.0


def _stacked(rows: list[_Choice], most: int) -> Choices:
    """Padded to `most` alternatives, which are not offered."""
    features = rows[0][0].shape[1] if rows else 1
    feature_EMF = np.zeros((len(rows), most, features), np.float32)
    offered_EM, chosen_EM = np.zeros((2, len(rows), most), bool)
    for e, (feature_MF, right_M) in enumerate(rows):
        feature_EMF[e, : len(right_M)] = feature_MF
        offered_EM[e, : len(right_M)] = True
        chosen_EM[e, : len(right_M)] = right_M
    return Choices(feature_EMF=feature_EMF, offered_EM=offered_EM, chosen_EM=chosen_EM)


def _vector(names: tuple[str, ...], values: dict[str, float]) -> npt.NDArray[np.float32]:
    return np.array([values.get(name, 0.0) for name in names], np.float32)
