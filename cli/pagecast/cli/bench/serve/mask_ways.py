"""Two ways to keep a page's rules as masks: ours, and an array of bool per row.

Both are timed by the thread's CPU time, from the request's facts to the last placement, without the
choosing itself.

Letters in names: N entities, R rows, C candidates of a row.
"""

import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pagecast.cli.bench.serve.mask_world import ENTITIES_PER_ROW, PLAIN_ROWS, ROWS
from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.rules.facts import RequestFacts
from pagecast.rules.page_rules import compile_rules
from pagecast.rules.page_state import PageState
from pagecast.rules.predicates import Indices, Mask

Scores = npt.NDArray[np.float32]


@dataclass(kw_only=True)
class MaskCost:
    """Microseconds for one page, by when they are spent."""

    compile_us: float = 0.0
    rows_us: float = 0.0
    steps_us: float = 0.0
    steps: int = 0

    @property
    def a_step_us(self) -> float:
        """The whole cost per decode step of the page: a token each, rows included."""
        return (self.compile_us + self.rows_us + self.steps_us) / self.steps


class Stopwatch:
    """This thread's CPU time since the last look."""

    def __init__(self) -> None:
        self._since_ns = time.thread_time_ns()

    def us(self) -> float:
        now_ns = time.thread_time_ns()
        passed_ns, self._since_ns = now_ns - self._since_ns, now_ns
        return passed_ns / 1000


def by_bitsets(
    catalog: CompiledCatalog, facts: RequestFacts, popular: Indices, scores_N: Scores
) -> MaskCost:
    """As the engine does it; rows in the order of the catalog, the best of `scores_N` first."""
    cost, watch = MaskCost(), Stopwatch()
    state = PageState(compile_rules(catalog, facts, popular))
    cost.compile_us = watch.us()
    while not state.page_complete:
        watch.us()
        state.begin_row(int(state.row_mask_R.argmax()))
        cost.rows_us += watch.us()
        while not state.row_complete:
            scores_C = scores_N[state.candidates_C]
            watch.us()
            masked_C = state.entity_mask.apply(scores_C)
            cost.steps_us += watch.us()
            entity = int(state.candidates_C[masked_C.argmax()])
            watch.us()
            state.place(entity)
            cost.steps_us += watch.us()
        cost.steps += 1 + state.row_entities
        watch.us()
        state.end_row()
        cost.rows_us += watch.us()
    return cost


def by_bools(
    catalog: CompiledCatalog, offered_N: Mask, watched: Indices, scores_N: Scores
) -> MaskCost:
    """The same page's rows with predicates, given `offered_N`: less than ours does.

    Every row's candidates are bool [R, N], counted at every placement; logits by `np.where`.
    """
    bitmaps_RN = catalog.bitmaps_RN[:PLAIN_ROWS]
    cost, watch = MaskCost(), Stopwatch()
    eligible_N = offered_N.copy()
    eligible_N[watched] = False
    candidates_RN = bitmaps_RN & eligible_N
    left_R = np.array([np.count_nonzero(row_N) for row_N in candidates_RN])
    placed_N = np.zeros(len(offered_N), bool)
    cost.compile_us = watch.us()
    for row in range(ROWS):
        watch.us()
        candidates_C = np.flatnonzero(candidates_RN[row] & ~placed_N)
        open_C = np.ones(len(candidates_C), bool)
        cost.rows_us += watch.us()
        for _ in range(min(ENTITIES_PER_ROW, len(candidates_C))):
            scores_C = scores_N[candidates_C]
            watch.us()
            masked_C = np.where(open_C, scores_C, -np.inf)
            cost.steps_us += watch.us()
            position = int(masked_C.argmax())
            watch.us()
            open_C[position] = False
            placed_N[candidates_C[position]] = True
            left_R -= candidates_RN[:, candidates_C[position]]
            cost.steps_us += watch.us()
            cost.steps += 1
        cost.steps += 1
    return cost
