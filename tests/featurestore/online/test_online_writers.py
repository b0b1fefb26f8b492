"""Two processes write the histories of the same users at once, in any order."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from factories_forking import forking
from factories_stores import ValkeyServer, stored_history
from featurestore.factories_processes import write_histories
from hypothesis import given, settings
from hypothesis import strategies as st

from pagecast.featurestore.online.store import OnlineFeatures
from pagecast.featurestore.state import StatePaths


class Writers:
    """Two processes that opened the same new state directory and store at the same time."""

    def __init__(self, root: Path, url: str | None) -> None:
        context = forking()
        self.pipes, self.processes = [], []
        for _ in range(2):
            ours, theirs = context.Pipe()
            process = context.Process(target=write_histories, args=(root, url, theirs))
            process.start()
            self.pipes.append(ours)
            self.processes.append(process)
        for pipe in self.pipes:
            assert pipe.poll(120), "a writer did not open the store"
            pipe.recv()
        self.online = OnlineFeatures.open(StatePaths(root=root), url)

    def write(self, batches: Sequence[list[tuple[str, int]]]) -> list[list[list[str]]]:
        for pipe, batch in zip(self.pipes, batches, strict=True):
            pipe.send(batch)
        return [pipe.recv() for pipe in self.pipes]

    def stop(self) -> None:
        for pipe in self.pipes:
            pipe.send(None)
        for process in self.processes:
            process.join()
        self.online.close()


@pytest.fixture(scope="module", params=["sqlite", "valkey"])
def writers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Writers]:
    url = None
    if request.param == "valkey":
        server: ValkeyServer = request.getfixturevalue("valkey")
        url = server.url
    made = Writers(tmp_path_factory.mktemp("state"), url)
    yield made
    made.stop()


_writes = st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(1, 30)), max_size=12)
_example = iter(range(1_000_000))


@settings(max_examples=25)
@given(batches=st.tuples(_writes, _writes))
def test_whatever_the_interleaving_the_highest_offset_stays(
    writers: Writers, batches: tuple[list[tuple[str, int]], list[tuple[str, int]]]
) -> None:
    example = next(_example)
    named = [[(f"{user}-{example}", offset) for user, offset in batch] for batch in batches]
    refused = writers.write(named)
    highest: dict[str, int] = {}
    for user_id, offset in [*named[0], *named[1]]:
        highest[user_id] = max(offset, highest.get(user_id, 0))
    stored = writers.online.read_histories(list(highest))
    assert stored == {user_id: stored_history(user_id, at) for user_id, at in highest.items()}
    for batch, answers in zip(named, refused, strict=True):
        for (user_id, offset), answer in zip(batch, answers, strict=True):
            assert answer in ([], [user_id])
            assert not (answer and offset == highest[user_id]), "the highest is never refused"
