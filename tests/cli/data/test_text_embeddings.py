import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from cli.data.test_sentences import needs_the_model
from cli.factories_cli import document, pagecast
from cli.factories_interchange import write_folder, write_lines
from factories import genre_row, movie, upsert

from pagecast.cli.data.interchange import read_interchange
from pagecast.cli.data.sentences import DIMENSIONS
from pagecast.cli.data.text_embeddings import embed_file, entity_text
from pagecast.cli.exits import InputError
from pagecast.v1 import catalog_pb2


def vector_of(text: str) -> npt.NDArray[np.float32]:
    return np.array([1.0, len(text)], np.float32)


def entity(**attributes: str) -> catalog_pb2.Entity:
    made = movie("m1", "Drama", "Crime", title="Night Ferry")
    for name, value in attributes.items():
        made.attributes[name] = value
    return made


def test_the_text_is_title_synopsis_and_genres() -> None:
    assert entity_text(entity(synopsis="A ferry is late.", description="x", year="1999")) == (
        "Night Ferry. A ferry is late. Genres: Drama, Crime"
    )
    assert entity_text(entity(description="Late")) == "Night Ferry. Late. Genres: Drama, Crime"
    assert entity_text(movie("m1", title="Alone")) == "Alone"


def test_entities_get_the_embedding_and_everything_else_stays(tmp_path: Path) -> None:
    source, target = tmp_path / "catalog.jsonl", tmp_path / "embedded.jsonl"
    known = entity()
    known.embeddings.add(name="image", values=[1.0])
    known.embeddings.add(name="text", values=[9.0])
    write_lines(source, [upsert(genre_row("Drama")), upsert(known), upsert(entity())])
    before, read = source.read_bytes(), list[int]()
    done = embed_file(source, target, vector_of, read.append)
    assert (done.lines, done.entities, sum(read)) == (3, 2, len(before))
    row, first, second = map(json.loads, target.read_text().splitlines())
    assert row == json.loads(before.splitlines()[0])
    text = {"name": "text", "values": [1.0, float(len(entity_text(known)))]}
    assert first["upsertEntity"]["embeddings"] == [{"name": "image", "values": [1.0]}, text]
    assert second["upsertEntity"].pop("embeddings") == [text]
    assert second == json.loads(before.splitlines()[2])
    assert source.read_bytes() == before


def test_a_file_may_be_written_over_itself_as_often_as_one_likes(tmp_path: Path) -> None:
    path = tmp_path / "catalog.jsonl"
    write_lines(path, [upsert(entity())])
    embed_file(path, path, vector_of)
    once = path.read_bytes()
    embed_file(path, path, vector_of)
    assert path.read_bytes() == once
    assert list(tmp_path.iterdir()) == [path], "nothing temporary stays"


def test_a_wrong_line_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "catalog.jsonl"
    write_lines(path, [upsert(entity()), {"upsertEntity": {"entityId": ""}}])
    before = path.read_bytes()
    with pytest.raises(InputError, match=r"catalog\.jsonl:2: .*; mend the line"):
        embed_file(path, path, vector_of)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    path = tmp_path / "catalog.jsonl"
    write_lines(path, [upsert(entity())])
    with pytest.raises(InputError, match="No such file or directory"):
        embed_file(path, tmp_path / "nowhere" / "catalog.jsonl", vector_of)


@needs_the_model
def test_the_command_embeds_each_text_once_and_the_catalog_takes_it(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "data")
    first, again = (
        document(pagecast("data", "embed", str(folder / "catalog.jsonl"), "--json", cwd=tmp_path))
        for _ in range(2)
    )
    assert first["entities"] == first["embedded"] == again["entities"] > 0
    assert again["embedded"] == 0
    for known in read_interchange(folder).catalog.entities:
        (vector,) = known.content
        assert (vector.name, vector.dimensions) == ("text", DIMENSIONS)


def test_the_command_asks_for_a_file(tmp_path: Path) -> None:
    done = pagecast("data", "embed", "nowhere.jsonl", cwd=tmp_path)
    assert done.returncode == 2
    assert "nowhere.jsonl is no file" in done.stderr
