"""The batch job writes everybody who may be remembered, once, whatever ends it."""

import asyncio
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from factories import START_MS, play
from server.factories_server import TOPIC_ID, House
from server.predictions.test_service import Asked

from pagecast.engine.bundles.bundle import load_bundle
from pagecast.engine.model import Model
from pagecast.featurestore.erasures import Erasures
from pagecast.featurestore.history.tokens import token_of
from pagecast.featurestore.models.embeddings import EmbeddingKind
from pagecast.featurestore.offline import LoggedEvent, OfflineLog
from pagecast.featurestore.offline.embedding_log import EmbeddingsInUse
from pagecast.server.predictions.embedding_job import EmbeddingJob, EmbeddingStores, Progress

USERS = [f"user-{i}" for i in range(9)]


class World:
    """A house with users in both stores, and jobs over it."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.version = house.train_champion()
        bundle = load_bundle(house.paths.bundles / self.version)
        self.model = Model(bundle, house.catalog.snapshot())
        self.offline = OfflineLog(house.paths.offline)
        self.erasures = Erasures(house.engine)
        for number, user_id in enumerate(USERS):
            event = play(user_id, f"m{number}", START_MS + number)
            house.remember(user_id, event)
            token, data = token_of(event), event.SerializeToString()
            self.offline.append([LoggedEvent(TOPIC_ID, 0, number, token, data)])

    def job(self) -> EmbeddingJob:
        stores = EmbeddingStores(
            online=self.house.store, offline=self.offline, erasures=self.erasures
        )
        return EmbeddingJob(self.model, stores, chunk_users=2, clock_ms=lambda: START_MS)

    def rows(self, kind: str) -> dict[str, list[float]]:
        """Of the newest run: names with output vectors; nobody comes twice."""
        log = self.offline.embeddings
        rows = [r for r in log.read(log.runs()[-1]).to_pylist() if r["kind"] == kind]
        assert len({row["name"] for row in rows}) == len(rows)
        assert {row["model_version"] for row in rows} <= {self.version}
        return {row["name"]: row["output"] for row in rows}

    def users_online(self) -> set[str]:
        return set(self.house.store.read_embeddings(EmbeddingKind.USER, USERS))


@pytest.fixture
def world(house: House) -> World:
    return World(house)


async def test_vectors_are_those_of_the_service(world: World) -> None:
    progress: list[Progress] = []
    await asyncio.to_thread(world.job().run, progress.append)
    async with world.house.serve() as served:
        asked = Asked(served)
        user = await asked.vector(USERS[3])
        [entity] = (await asked.embeddings("m5")).embeddings
    users, entities = world.rows("users"), world.rows("entities")
    np.testing.assert_allclose(users[USERS[3]], user.vector, atol=1e-5)
    np.testing.assert_allclose(entities["m5"], entity.output, atol=1e-6)
    online = world.house.store.read_embeddings(EmbeddingKind.ENTITY, ["m5"])["m5"]
    np.testing.assert_allclose(online.input_D, entity.input, atol=1e-6)
    assert (online.model_version, online.embedded_at_ms) == (world.version, START_MS)
    assert world.users_online() == set(users) == set(USERS)
    assert set(world.rows("genres")) == {"Comedy", "Drama", "Western"}
    comedies = [np.array(entities[f"m{i}"]) for i in range(0, 60, 3)]
    np.testing.assert_allclose(world.rows("genres")["Comedy"], np.mean(comedies, axis=0), atol=1e-5)
    assert "top" in world.rows("rows")
    last = progress[-1]
    assert (last.users, last.entities, last.parts_done) == (9, 60, last.parts)
    assert [at.parts_done for at in progress] == list(range(last.parts + 1))


def test_killed_it_goes_on_behind_the_last_chunk(world: World) -> None:
    script = Path(__file__).with_name("embedding_process.py")
    killed = subprocess.run(
        [sys.executable, str(script), str(world.house.paths.root), "5"], check=False
    )
    assert killed.returncode == -signal.SIGKILL
    [unfinished] = world.offline.embeddings.runs()
    assert unfinished.finished_at_ms is None
    progress: list[Progress] = []
    run = world.job().run(progress.append)
    assert (run.name, progress[-1].resumed) == (unfinished.name, 5)
    assert 0 < progress[-1].users < 9, "the chunks that were there are not made again"
    assert set(world.rows("users")) == world.users_online() == set(USERS)


def test_a_second_job_is_refused_and_told_who_writes(world: World) -> None:
    refused: list[str] = []

    def meanwhile(at: Progress) -> None:
        if at.parts_done == 1:
            with pytest.raises(EmbeddingsInUse) as error:
                world.job().run()
            refused.append(str(error.value))

    run = world.job().run(meanwhile)
    [told] = refused
    assert told.startswith(f"process {os.getpid()} on ")
    assert "(since 2026-01-05 12:00:00 UTC) writes embeddings below" in told
    assert world.job().run().name == run.name
    assert set(world.rows("users")) == set(USERS)


def test_who_was_erased_is_left_out(world: World) -> None:
    erased = USERS[4]
    history = world.house.store.read_history(erased)
    assert history is not None
    assert history.version is not None
    world.erasures.begin("r", erased, TOPIC_ID, 0, history.version.next_offset, START_MS)
    world.job().run()
    assert set(world.rows("users")) == set(USERS) - {erased}, "though the history is still there"
    world.house.store.delete_histories({erased: history.version})
    assert world.users_online() == set(USERS) - {erased}


def test_an_erasure_while_a_chunk_is_made_leaves_nothing(world: World) -> None:
    """Between reading the histories and writing the vectors, all of it is carried out."""
    erased, store = USERS[0], world.house.store
    history = store.read_history(erased)
    assert history is not None
    assert history.version is not None
    version = history.version
    job = world.job()
    read = store.read_profiles

    def read_and_forget(user_ids: list[str]) -> object:
        found = read(user_ids)
        if erased in user_ids:
            end = version.next_offset + 1  # the order's own place lies between
            world.erasures.begin("r", erased, TOPIC_ID, 0, end, START_MS)
            store.delete_histories({erased: replace(version, next_offset=end)})
            world.offline.erase(erased, TOPIC_ID, 0, end, START_MS)
        return found

    store.read_profiles = read_and_forget  # type: ignore[method-assign,assignment]
    try:
        job.run()
    finally:
        del store.read_profiles  # type: ignore[method-assign]
    assert world.users_online() == set(world.rows("users")) == set(USERS) - {erased}
