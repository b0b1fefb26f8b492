"""An entity ranks where its metadata says, and moves to where its interactions say.

Entities fall into three families, and whoever watches one watches others of its family. Nothing but
one kind of metadata tells the families apart.
"""

import dataclasses
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from factories import START_MS, movie, play, top_row, upsert
from trainer.factories_trainer import (
    ENTITIES,
    HOUR_MS,
    SMALL,
    entity_id,
    in_time_order,
    logged,
    replayed,
    walk,
    write_state,
)

from pagecast.engine.bundles.bundle import load_bundle
from pagecast.engine.graph import EngineConfig, Graph
from pagecast.engine.vectors.embeddings import EntityTable
from pagecast.featurestore.state import StatePaths
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.data.dataset import catalog_features
from pagecast.trainer.data.snapshot import Source
from pagecast.trainer.evaluation.protocols.chronological import next_slice_plan
from pagecast.trainer.evaluation.protocols.interactions import interactions_of
from pagecast.trainer.evaluation.systems.asked_model import AskedModel
from pagecast.trainer.export.graphs import export, graph_specs
from pagecast.trainer.export.parity import EXAMPLE, RandomInputs
from pagecast.trainer.job import Trained, TrainJob, TrainOutcome
from pagecast.trainer.train import fit_snapshot
from pagecast.v1 import catalog_pb2, events_pb2

FAMILIES = 3
USERS = 60

Describe = Callable[[catalog_pb2.Entity, int], None]
Walk = list[events_pb2.InteractionEvent]


def by_content(entity: catalog_pb2.Entity, family: int) -> None:
    draw = random.Random(entity.entity_id)
    values = [draw.gauss(0, 0.3) + (place // 4 == family) for place in range(12)]
    entity.embeddings.add(name="text", values=values)


def by_people(entity: catalog_pb2.Entity, family: int) -> None:
    entity.people.extend([f"Only in {entity.entity_id}", f"Star {family}"])


def by_country(entity: catalog_pb2.Entity, family: int) -> None:
    entity.countries.append(("DE", "FR", "NL")[family])


def launch_id(family: int) -> str:
    return f"launch{family}"


def catalog_changes(describe: Describe) -> list[catalog_pb2.CatalogChange]:
    """The watched entities, and one launch of each family that nobody has watched."""
    families = {entity_id(number): number % FAMILIES for number in range(ENTITIES)}
    families |= {launch_id(family): family for family in range(FAMILIES)}
    changes = [upsert(top_row())]
    for name, family in families.items():
        entity = movie(name, "Drama", released_ms=START_MS)
        describe(entity, family)
        changes.append(upsert(entity))
    return changes


def trained_on(
    folder: Path, describe: Describe, walks: list[Walk], config: TrainConfig = SMALL
) -> tuple[Source, Trained]:
    paths = write_state(folder, logged(in_time_order(walks)), catalog_changes(describe))
    source = Source(paths=paths)
    return source, fit_snapshot(TrainJob(source=source, config=config))


def launch_scores(source: Source, trained: Trained) -> np.ndarray:
    """Scores [history of family, launch of family]."""
    catalog = source.read_catalog()
    launches = [catalog.entity_index[launch_id(family)] for family in range(FAMILIES)]
    scores = []
    for family in range(FAMILIES):
        events = [
            play("new", entity_id(family + FAMILIES * i), START_MS + i * HOUR_MS) for i in range(5)
        ]
        users = replayed(logged(events), known={("log", 0): 4})
        data = interactions_of(users, catalog)
        asked = AskedModel(trained.model, trained.vocabulary, data)
        (score_N,) = asked.scores(next_slice_plan(data).test.requests)
        scores.append(score_N[launches])
    return np.array(scores)


@pytest.mark.parametrize("describe", [by_content, by_people, by_country])
def test_an_entity_without_interactions_ranks_where_its_metadata_says(
    tmp_path: Path, describe: Describe
) -> None:
    source, trained = trained_on(tmp_path, describe, [walk(user) for user in range(USERS)])
    best = launch_scores(source, trained).argmax(axis=1)
    assert best.tolist() == [0, 1, 2]


def test_it_moves_to_where_its_interactions_say(tmp_path: Path) -> None:
    """The launch that looks like family 0 is watched by those who watch family 1."""
    moved = launch_id(0)
    walks = [walk(user) for user in range(USERS)]
    for events in walks:
        if int(events[0].play.entity_id[1:]) % FAMILIES == 1:
            for event in events[4:6] + events[10:12]:
                getattr(event, event.WhichOneof("action")).entity_id = moved
    source, trained = trained_on(tmp_path, by_content, walks)
    assert moved in trained.vocabulary.entity_ids
    scores = launch_scores(source, trained)
    assert scores[:, 0].argmax() == 1, "family 1 wants it most"
    assert scores[1].argmax() == 0, "...and more than the launch that looks like family 1"


def test_the_server_embeds_as_training_does(
    tmp_path: Path, outcome: tuple[TrainOutcome, list[str], StatePaths]
) -> None:
    """By the tower alone: it takes the place of another in a bundle that is there already."""

    def by_everything(entity: catalog_pb2.Entity, family: int) -> None:
        for describe in (by_content, by_people, by_country)[family:]:
            describe(entity, family)

    walks = [walk(user) for user in range(USERS)]
    source, trained = trained_on(
        tmp_path, by_everything, walks, dataclasses.replace(SMALL, epochs=1.0)
    )
    model, vocabulary = trained.model, trained.vocabulary
    tower = graph_specs(model)[0]
    drawn = RandomInputs(model=model, vocabulary=vocabulary).draw(tower.name, EXAMPLE, seed=0)
    graph = Graph(tower.name, export(tower, drawn), EngineConfig())
    bundle = load_bundle(outcome[0].bundle)
    catalog = source.read_catalog()
    served = dataclasses.replace(bundle, vocabulary=vocabulary, tower=graph)
    table = EntityTable(served, catalog)
    with torch.no_grad():
        sides = model.embed_entities(catalog_features(catalog, vocabulary))
    for served_ND, trained_ND in zip((table.input_ND, table.output_ND), sides, strict=True):
        np.testing.assert_allclose(served_ND, trained_ND.numpy(), atol=1e-4)
