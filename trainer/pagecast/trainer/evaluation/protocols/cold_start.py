"""Cold start: entities that are launched after the fit, ranked among all.

Letters: X interactions, N entities of the evaluation or steps of a user.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pagecast.featurestore.catalog.snapshot import CatalogEntity, CatalogSnapshot
from pagecast.trainer.evaluation.errors import EvaluationError
from pagecast.trainer.evaluation.protocols.chronological import Cut, newest_from, refuse_few
from pagecast.trainer.evaluation.protocols.held_out import keep_steps
from pagecast.trainer.evaluation.protocols.interactions import Interactions, Ints, interactions_of
from pagecast.trainer.evaluation.protocols.requests import FRESH, FitPart, Plan, Split

COLD_START = "cold-start"

COLD_ONE_IN = 10
"""One in this many entities with interactions is cold in the test, another one when choosing."""

SEED = 0
"""Of the draw: the same data have the same cold entities."""

AMONG_COLD, WARM = "cold entities among themselves", "as many targets that are not cold"

COLD_REFERENCE = "metadata-knn"
"""What the systems are compared with: without interactions, metadata is all there is."""


def cold_start_plan(data: Interactions, warm_max: int | None = None) -> Plan:
    """Fits without the cold entities on the first nine tenths in time, asks on the last one.

    Targets are the cold entities' interactions after the cut; nothing of theirs from before it is
    left in anyone's history. Nothing is revealed, so counts stay at zero; a user's own history
    grows. Hyper-parameters are chosen the same way, on other entities and the newest tenth of the
    first nine. Beside them stand targets that are not cold, `warm_max` at most; None: as many.
    Raises EvaluationError if there is nothing to ask.
    """
    refuse_few(data, COLD_START)
    order_X = data.in_time_order()
    fitted_X = order_X[: newest_from(order_X)]
    chosen_on_X = fitted_X[: newest_from(fitted_X)]
    cut_ms, choose_ms = (int(data.at_ms_X[some[-1]]) for some in (fitted_X, chosen_on_X))
    end_ms = int(data.at_ms_X[order_X[-1]])
    cold, cold_to_choose = _drawn(data)
    test = _Launch(data, cold, frozenset(), cut_ms, end_ms)
    validation = _Launch(data, cold_to_choose, cold, choose_ms, cut_ms)
    tested = test.split(test.targets())
    if not tested.requests:
        raise EvaluationError(
            f"data: nobody chose a cold entity in the last tenth; {COLD_START} needs more events"
        )
    among_N = np.isin(np.arange(len(test.data.entities)), list(tested.part.held_out))
    return Plan(
        protocol=COLD_START,
        data=data,
        validation=validation.split(validation.targets()),
        tests={FRESH: tested},
        beside={
            AMONG_COLD: replace(tested, among_N=among_N),
            WARM: test.split(test.others(warm_max or len(tested.targets()))),
        },
        reference=COLD_REFERENCE,
    )


def _drawn(data: Interactions) -> tuple[frozenset[str], frozenset[str]]:
    """Ids of two shares of the catalog's entities with interactions, without overlap."""
    known = np.unique(data.entity_X[data.entity_X < len(data.catalog.entities)])
    share = max(1, len(known) // COLD_ONE_IN)
    drawn = np.random.default_rng(SEED).permutation(known).tolist()

    def ids(entities: Sequence[int]) -> frozenset[str]:
        return frozenset(data.entities[entity] for entity in entities)

    return ids(drawn[:share]), ids(drawn[share : 2 * share])


class _Launch:
    """Data up to a moment, with some entities launched at an earlier one and others missing."""

    def __init__(
        self,
        data: Interactions,
        launched: frozenset[str],
        missing: frozenset[str],
        launch_ms: int,
        until_ms: int,
    ) -> None:
        catalog = _launched(data.catalog, launched)
        users = []
        for user in data.users:
            names = [step.entity_id for step in user.steps]
            at_ms_N = np.array([step.occurred_at_ms for step in user.steps], np.int64)
            early_N = at_ms_N <= launch_ms
            gone_N = np.array([name in missing for name in names], np.bool_)
            cold_N = np.array([name in launched for name in names], np.bool_)
            keep_N = (at_ms_N <= until_ms) & ~gone_N & ~(cold_N & early_N)
            users.append(keep_steps(user, keep_N))
        self.data = interactions_of(users, catalog)
        self._cut = Cut(False, self.data)
        self._order_X = self.data.in_time_order()
        at_ms_X = self.data.at_ms_X[self._order_X]
        self._from = int(np.searchsorted(at_ms_X, launch_ms, side="right"))
        index = catalog.entity_index
        self._cold = np.array(sorted(index[name] for name in launched), np.int64)
        held_out = frozenset(index[name] for name in launched | missing)
        part = self._cut.part(self._order_X, self._from)
        self._part: FitPart = replace(part, held_out=held_out)

    def targets(self) -> Ints:
        """Interactions of the launched entities after their launch, in time order."""
        after_X = self._order_X[self._from :]
        return after_X[np.isin(self.data.entity_X[after_X], self._cold)]

    def others(self, count: int) -> Ints:
        """At most so many interactions of the other entities, drawn evenly, in time order."""
        after_X = self._order_X[self._from :]
        other_X = after_X[~np.isin(self.data.entity_X[after_X], self._cold)]
        count = min(count, len(other_X))
        drawn = np.random.default_rng(SEED).choice(len(other_X), count, replace=False)
        return other_X[np.sort(drawn)]

    def split(self, target_X: Ints) -> Split:
        """Fresh requests for the targets; nothing is revealed."""
        asked = self._cut.after(self._part, target_X, FRESH)
        return replace(asked, revealed_X=np.empty(0, np.int64))


def _launched(catalog: CatalogSnapshot, launched: frozenset[str]) -> CatalogSnapshot:
    """The entities as the catalog has them on the day of their release: of age 0."""

    def new(entity: CatalogEntity) -> CatalogEntity:
        if entity.entity_id not in launched or entity.released_at_ms is None:
            return entity
        return replace(entity, changed_at_ms=entity.released_at_ms)

    return replace(catalog, entities=tuple(map(new, catalog.entities)))
