"""The page without a model: the most popular, under the same rules, with the same events.

Letters in names: N entities of the snapshot, R rows, C candidates of a row.
"""

from collections.abc import Generator

import numpy as np
import numpy.typing as npt

from pagecast.engine.choice import Choice
from pagecast.engine.page_events import PageEvent
from pagecast.engine.walk import FedNothing, Feed, PageWalk, walk_page
from pagecast.rules.entity_mask import EntityMask
from pagecast.rules.page_rules import PageRules
from pagecast.rules.predicates import Indices, Mask


def popular_page(
    rules: PageRules, scores_N: npt.NDArray[np.floating]
) -> Generator[PageEvent, None, None]:
    """Pinned rows at their positions, the others in catalog order.

    A row with a source keeps its source's order; in any other the highest score comes first, and
    of equals the lowest index. Nothing is drawn and nothing estimated: log-probabilities are 0.
    Raises ValueError if there is not one finite score per entity.
    """
    entities = len(rules.catalog.snapshot.entities)
    if scores_N.shape != (entities,) or not np.isfinite(scores_N).all():
        raise ValueError(f"scores_N must be {entities} finite numbers, one per entity")
    return _events(walk_page(rules, PopularChooser(rules, scores_N)))


def _events(walk: PageWalk) -> Generator[PageEvent, None, None]:
    for event in walk:
        assert not isinstance(event, Feed), "popularity feeds no model"
        yield event


class PopularChooser(FedNothing):
    """Chooses by rank."""

    def __init__(self, rules: PageRules, scores_N: npt.NDArray[np.floating]) -> None:
        self._rules = rules
        self._scores_N = scores_N
        self._scores_C: npt.NDArray[np.floating]

    def choose_row(self, mask_R: Mask) -> Choice:
        return Choice(position=int(mask_R.argmax()), log_probability=0.0)

    def begin_row(self, row: int, _argument: int, candidates_C: Indices) -> None:
        order = self._rules.source_order[row]
        if order:
            rank = {entity: position for position, entity in enumerate(order)}
            self._scores_C = np.array([-rank[e] for e in candidates_C.tolist()], np.float64)
        else:
            self._scores_C = self._scores_N[candidates_C].astype(np.float64)

    def choose_entity(self, mask: EntityMask) -> Choice:
        position = int(mask.apply(self._scores_C).argmax())
        return Choice(position=position, log_probability=0.0)
