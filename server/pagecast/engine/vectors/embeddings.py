"""Embeddings of a catalog's entities, kept up with the catalog by the entity tower.

Letters in names: N entities of the snapshot, E entities of one run, T prompt positions, D width.
"""

from collections.abc import Sequence

import numpy as np
import structlog

from pagecast.engine.bundles.bundle import Bundle
from pagecast.engine.bundles.ready_embeddings import ReadyEmbeddings
from pagecast.engine.errors import EngineError
from pagecast.engine.graph import FloatArray, Graph
from pagecast.engine.semantic.named_entities import NamedEntities, tokens_of_known
from pagecast.engine.semantic.spelling import Spelling
from pagecast.featurestore.catalog.snapshot import CatalogEntity, CatalogSnapshot
from pagecast.featurestore.prompt.semantic_ids import CodebookError
from pagecast.featurestore.prompt.vocabulary import Vocabulary, entity_features
from pagecast.rules.compiled_catalog import changed_entities
from pagecast.rules.predicates import Indices

_log = structlog.get_logger(__name__)

TOWER_ENTITIES_MAX = 256
"""Entities of one run of the tower: intermediate results stay in a core's cache, and pages that are
being decoded wait for a few milliseconds at most. 1,024 took a tenth longer."""


class EntityTable:
    """Input and output embeddings [N, D] of a snapshot's entities, each of its own width D. Never
    changes.

    Given an `older` table of the same bundle, only the entities in `changed` (indices) go through
    the tower: one launched through the catalog can be placed with no retrain and no restart.
    Without an `older` one, only those that the bundle does not bring (`Bundle.ready`). If the model
    spells entities, `named` are their IDs, and they have no output embedding.
    """

    def __init__(
        self, bundle: Bundle, snapshot: CatalogSnapshot, older: "EntityTable | None" = None
    ) -> None:
        """Raises EngineError if the tower cannot embed an entity, or no semantic ID is left."""
        entities, model = snapshot.entities, bundle.manifest.model
        self.snapshot = snapshot
        self.input_ND = np.zeros((len(entities), model.d_model), np.float32)
        self.output_ND = np.zeros((len(entities), model.output_dim), np.float32)
        self.changed = np.arange(len(entities))
        self.named: NamedEntities | None = None
        if older is not None:
            self.changed = changed_entities(older.snapshot, snapshot)
        if bundle.spelling is not None:
            self._name(bundle, bundle.spelling, older)
        else:
            self._embed(bundle, older)
        _tell_misfits(bundle, [entities[i] for i in self.changed])
        self._outside = _embed_outside(bundle, snapshot, older)

    def _name(self, bundle: Bundle, spelling: Spelling, older: "EntityTable | None") -> None:
        try:
            self.named = NamedEntities(
                spelling,
                bundle.vocabulary,
                self.snapshot,
                self.changed,
                lambda entities: _fused(bundle, entities),
                None if older is None else older.named,
            )
        except CodebookError as error:
            raise EngineError(str(error)) from error
        self.input_ND = spelling.merged(self.named.token_NL)
        self.output_ND = self.output_ND[:, :0]

    def _embed(self, bundle: Bundle, older: "EntityTable | None") -> None:
        entities = self.snapshot.entities
        if older is not None:
            kept = min(len(older.input_ND), len(entities))
            self.input_ND[:kept] = older.input_ND[:kept]
            self.output_ND[:kept] = older.output_ND[:kept]
            rest = self.changed
        else:
            rest = self._take_ready(bundle.ready.take())
        for start in range(0, len(rest), TOWER_ENTITIES_MAX):
            run = rest[start : start + TOWER_ENTITIES_MAX]
            input_ED, output_ED = _embed(bundle, [entities[i] for i in run])
            self.input_ND[run], self.output_ND[run] = input_ED, output_ED

    def _take_ready(self, ready: ReadyEmbeddings | None) -> Indices:
        """Returns the indices of the entities that `ready` lacks."""
        if ready is None:
            return self.changed
        self.input_ND, self.output_ND, right_N = ready.tables(self.snapshot.entities)
        return self.changed[~right_N]

    def prompt_inputs(self, entity_ids: Sequence[str]) -> FloatArray:
        """Input embeddings [T, D] of a prompt's entities.

        Zeros for what neither the catalog nor the vocabulary knows, "" included.
        """
        input_TD = np.zeros((len(entity_ids), self.input_ND.shape[1]), np.float32)
        index = self.snapshot.entity_index
        for position, entity_id in enumerate(entity_ids):
            if entity_id in index:
                input_TD[position] = self.input_ND[index[entity_id]]
            elif entity_id in self._outside:
                input_TD[position] = self._outside[entity_id]
        return input_TD


def make_ready(
    tower: Graph, vocabulary: Vocabulary, entities: Sequence[CatalogEntity]
) -> ReadyEmbeddings:
    """What a bundle brings for the catalog it was trained on. Raises EngineError like `embed`."""
    runs = [
        embed(tower, vocabulary, entities[start : start + TOWER_ENTITIES_MAX])
        for start in range(0, len(entities), TOWER_ENTITIES_MAX)
    ]
    input_ED, output_ED = (np.concatenate(side) for side in zip(*runs, strict=True))
    return ReadyEmbeddings.of(entities, input_ED, output_ED)


def embed(
    tower: Graph, vocabulary: Vocabulary, entities: Sequence[CatalogEntity]
) -> tuple[FloatArray, FloatArray]:
    """Input and output embeddings [E, D] of one run. Raises EngineError if any is not a number."""
    outputs = tower.run(entity_features(entities, vocabulary))
    input_ED, output_ED = outputs["input_ED"], outputs["output_ED"]
    finite_E = np.isfinite(input_ED).all(axis=1) & np.isfinite(output_ED).all(axis=1)
    if not finite_E.all():
        entity = entities[int(np.argmin(finite_E))]
        raise EngineError(f"{tower.name}: entity {entity.entity_id} embeds to no number")
    return input_ED, output_ED


def _embed(bundle: Bundle, entities: Sequence[CatalogEntity]) -> tuple[FloatArray, FloatArray]:
    return embed(bundle.tower, bundle.vocabulary, entities)


def _fused(bundle: Bundle, entities: Sequence[CatalogEntity]) -> FloatArray:
    """Where metadata would put entities among those that were coded, [E, S]."""
    shape = bundle.manifest.model
    fused_ES = np.zeros((len(entities), shape.d_model + shape.output_dim), np.float32)
    for start in range(0, len(entities), TOWER_ENTITIES_MAX):
        run = entities[start : start + TOWER_ENTITIES_MAX]
        outputs = bundle.tower.run(entity_features(run, bundle.vocabulary))
        fused_ES[start : start + len(run)] = outputs["fused_ES"]
    finite_E = np.isfinite(fused_ES).all(axis=1)
    if not finite_E.all():
        entity = entities[int(np.argmin(finite_E))]
        raise EngineError(f"{bundle.tower.name}: entity {entity.entity_id} is nowhere")
    return fused_ES


def _tell_misfits(bundle: Bundle, entities: Sequence[CatalogEntity]) -> None:
    """Logs content embeddings from another source than training's: they count as missing."""
    sizes = dict(bundle.vocabulary.embeddings)
    misfits = [
        (entity.entity_id, vector.name)
        for entity in entities
        for vector in entity.content
        if sizes.get(vector.name, vector.dimensions) != vector.dimensions
    ]
    if misfits:
        entity_id, name = misfits[0]
        _log.warning(
            "content_embeddings_ignored",
            count=len(misfits),
            first_entity=entity_id,
            embedding=name,
            dimensions_expected=sizes[name],
        )


def _embed_outside(
    bundle: Bundle, snapshot: CatalogSnapshot, older: EntityTable | None
) -> dict[str, FloatArray]:
    """Input embeddings of entities in the vocabulary but not in the catalog, by id alone.

    Histories may hold such entities when a catalog starts over; otherwise there are none.
    """
    outside = [e for e in bundle.vocabulary.entities if e not in snapshot.entity_index]
    if older is not None and outside == list(older._outside):
        return older._outside
    if bundle.spelling is not None:
        token_NL = tokens_of_known(bundle.spelling, bundle.vocabulary, outside)
        return dict(zip(outside, bundle.spelling.merged(token_NL), strict=True))
    bare = [
        CatalogEntity(
            entity_id=entity_id, kind=0, title="", number=0, changed_at_ms=0, attributes={}
        )
        for entity_id in outside
    ]
    return dict(zip(outside, _embed(bundle, bare)[0], strict=True)) if bare else {}
