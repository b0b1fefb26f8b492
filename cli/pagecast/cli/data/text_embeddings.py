"""Adds the embedding `text` to the entities of an interchange file."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from google.protobuf.json_format import MessageToDict

from pagecast.cli.exits import InputError
from pagecast.cli.output_files import replacing
from pagecast.streaming.publish import LineRefused, read_publications
from pagecast.v1 import catalog_pb2

NAME = "text"
"""Of the content embedding."""

DECIMALS = 5
"""Of a written component: more would be finer than the catalog keeps, and make lines longer."""

VectorOf = Callable[[str], npt.NDArray[np.float32]]


@dataclass(frozen=True, kw_only=True)
class Embedded:
    """What was done: lines written, entities among them that have the embedding now."""

    lines: int
    entities: int


def entity_text(entity: catalog_pb2.Entity) -> str:
    """What is embedded: title, `attributes.synopsis` (else `description`), genres."""
    synopsis = entity.attributes.get("synopsis") or entity.attributes.get("description") or ""
    genres = f"Genres: {', '.join(entity.genres)}" if entity.genres else ""
    parts = (part.strip().rstrip(".") for part in (entity.title, synopsis, genres))
    return ". ".join(part for part in parts if part)


def embed_file(
    source: Path,
    target: Path,
    vector_of: VectorOf,
    told: Callable[[int], None] = lambda _: None,
) -> Embedded:
    """Writes `source` to `target`, which may be the same, with the entities' texts embedded.

    The file appears whole or not at all. An existing embedding of that name is replaced. `told`
    takes the bytes of each line read. Raises InputError with file and line.
    """
    lines = entities = 0
    try:
        with source.open("rb") as file, replacing(target) as written:
            for publication in read_publications(str(source), _telling(file, told)):
                message = publication.message
                if isinstance(message, catalog_pb2.CatalogChange) and message.HasField(
                    "upsert_entity"
                ):
                    _embed(message.upsert_entity, vector_of)
                    entities += 1
                fields = MessageToDict(message)
                written.write(json.dumps(fields, ensure_ascii=False, separators=(",", ":")) + "\n")
                lines += 1
    except LineRefused as error:
        raise InputError(str(error), "mend the line") from error
    except OSError as error:
        raise InputError(f"{error.filename}: {error.strerror}", "name another file") from error
    return Embedded(lines=lines, entities=entities)


def _embed(entity: catalog_pb2.Entity, vector_of: VectorOf) -> None:
    others = [embedding for embedding in entity.embeddings if embedding.name != NAME]
    values = vector_of(entity_text(entity)).round(DECIMALS).tolist()
    del entity.embeddings[:]
    entity.embeddings.extend(others)
    entity.embeddings.add(name=NAME, values=values)


def _telling(lines: Iterable[bytes], told: Callable[[int], None]) -> Iterator[bytes]:
    for line in lines:
        yield line
        told(len(line))
