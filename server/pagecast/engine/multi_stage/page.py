"""Step 6 of the life of a page, by the multi-stage baseline: rank rows, rank entities, place.

Letters in names: N entities and R rows of the snapshot, C candidates of a row.
"""

from collections.abc import Generator

import numpy as np

from pagecast.engine.choice import Choice
from pagecast.engine.decode_options import DEFAULT_OPTIONS, DecodeOptions
from pagecast.engine.graph import FloatArray
from pagecast.engine.multi_stage.model import MultiStageModel
from pagecast.engine.multi_stage.rows import RowViews
from pagecast.engine.page_events import PageEvent
from pagecast.engine.picking import Picker, Place
from pagecast.engine.walk import FedNothing, Feed, PageWalk, walk_page
from pagecast.featurestore.prompt.prompt import Prompt
from pagecast.rules.entity_mask import EntityMask
from pagecast.rules.page_rules import PageRules
from pagecast.rules.predicates import Indices, Mask
from pagecast.v1 import catalog_pb2

CONTINUE_FIRST = 8.0
"""Added to the logit of a CONTINUE row: it comes first wherever it may stand, as on the homepages
people know. Histories do not say where such a row should be; logged pages would."""


def multi_stage_page(
    model: MultiStageModel,
    prompt: Prompt,
    rules: PageRules,
    options: DecodeOptions = DEFAULT_OPTIONS,
    picker: Picker | None = None,
) -> Generator[PageEvent, None, None]:
    """Makes a page; the same inputs give the same page. Rows and entities are drawn if asked to.

    Log-probabilities are those of the rankers' logits under the masks, at the options' temperature.
    Raises ValueError at once if rules and model are not of one snapshot.
    """
    if rules.catalog.snapshot is not model.snapshot:
        raise ValueError("rules and baseline are of two catalogs: bind one and the same snapshot")
    chooser = MultiStageChooser(model, prompt, rules, picker or options.picker())
    return _events(walk_page(rules, chooser))


def _events(walk: PageWalk) -> Generator[PageEvent, None, None]:
    for event in walk:
        assert not isinstance(event, Feed), "the baseline is fed nothing"
        yield event


class MultiStageChooser(FedNothing):
    """Chooses by the rankers."""

    def __init__(
        self, model: MultiStageModel, prompt: Prompt, rules: PageRules, picker: Picker
    ) -> None:
        candidates, tables = model.candidates, model.bundle.tables
        entity_H = candidates.history(prompt.steps)
        feature_NF = candidates.entity_features(prompt, rules, entity_H)
        self._logits_N: FloatArray = feature_NF @ tables.entity_ranker_F
        self._views = RowViews(candidates, rules, self._logits_N, entity_H)
        self._row_ranker_G = tables.row_ranker_G
        self._continue_R = _of_source(rules, catalog_pb2.ROW_SOURCE_CONTINUE)
        self._rules = rules
        self._picker = picker
        self._rows = len(rules.standing)
        self._row_entities = 0
        self._candidates_C: Indices
        self._logits_C: FloatArray

    def choose_row(self, mask_R: Mask) -> Choice:
        logits_R = self._views.features() @ self._row_ranker_G
        logits_R = logits_R + CONTINUE_FIRST * self._continue_R
        masked_R = np.where(mask_R, logits_R, -np.inf).astype(np.float32)
        return self._picker.pick(masked_R, Place(self._rows, 0), None)

    def begin_row(self, row: int, argument: int, candidates_C: Indices) -> None:
        self._rows += 1
        self._row_entities = 0
        self._candidates_C = candidates_C
        self._views.take(argument)
        if self._continue_R[row]:
            rank = {entity: at for at, entity in enumerate(self._rules.source_order[row])}
            ranks = [-float(rank[entity]) for entity in candidates_C.tolist()]
            self._logits_C = np.array(ranks, np.float32)
        else:
            self._logits_C = self._logits_N[candidates_C]

    def choose_entity(self, mask: EntityMask) -> Choice:
        # `begin_row` has already counted the row in hand.
        place = Place(self._rows - 1, self._row_entities + 1)
        choice = self._picker.pick(mask.apply(self._logits_C), place, self._candidates_C)
        self._views.place(int(self._candidates_C[choice.position]))
        self._row_entities += 1
        return choice


def _of_source(rules: PageRules, source: "catalog_pb2.RowSource.ValueType") -> FloatArray:
    rows = rules.catalog.snapshot.rows
    return np.array([row.source == source for row in rows], np.float32)
