"""A model's embeddings of what the catalog names: entities, genres and rows.

Letters in names: N entities of the snapshot, O width of output embeddings, D of input embeddings.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator

from pagecast.engine.graph import FloatArray
from pagecast.engine.model import Model
from pagecast.featurestore.models.embeddings import Embedding, EmbeddingKind, catalog_version

PARTS = {EmbeddingKind.ENTITY: "entities", EmbeddingKind.GENRE: "genres", EmbeddingKind.ROW: "rows"}
"""File names by kind."""


def _entities(model: Model, at_ms: int) -> Iterator[Embedding]:
    """All entities that are not retired."""
    table = model.entities
    for index, entity in enumerate(model.snapshot.entities):
        if not entity.retired:
            output_O, input_D = table.output_ND[index], table.input_ND[index]
            yield _embedding(model, at_ms, entity.entity_id, output_O, input_D)


def _genres(model: Model, at_ms: int) -> Iterator[Embedding]:
    """Means over the entities of a genre: the product with a user's is the mean logit."""
    members: dict[str, list[int]] = defaultdict(list)
    for index, entity in enumerate(model.snapshot.entities):
        for genre in () if entity.retired else dict.fromkeys(entity.genres):
            members[genre].append(index)
    table = model.entities
    for genre in sorted(members):
        output_O = table.output_ND[members[genre]].mean(axis=0)
        yield _embedding(model, at_ms, genre, output_O, table.input_ND[members[genre]].mean(axis=0))


def _rows(model: Model, at_ms: int) -> Iterator[Embedding]:
    """The embedding a row is chosen by, and the one that stands for it on a page."""
    for index, row in enumerate(model.snapshot.rows):
        if not row.retired:
            output_O, input_D = model.row_output_RD[index], model.row_input_RD[index]
            yield _embedding(model, at_ms, row.row_id, output_O, input_D)


def _embedding(
    model: Model,
    at_ms: int,
    name: str,
    output_O: FloatArray,
    input_D: FloatArray,
) -> Embedding:
    """Of something in the catalog, published through the bundle's map."""
    return Embedding(
        name=name,
        model_version=model.version,
        embedded_at_ms=at_ms,
        version=catalog_version(model.snapshot.number),
        output_O=model.bundle.stabilisation.entities(output_O),
        input_D=input_D,
    )


EMBEDDED: dict[EmbeddingKind, Callable[[Model, int], Iterator[Embedding]]] = {
    EmbeddingKind.ENTITY: _entities,
    EmbeddingKind.GENRE: _genres,
    EmbeddingKind.ROW: _rows,
}
"""Embeddings of a kind, at a moment."""
