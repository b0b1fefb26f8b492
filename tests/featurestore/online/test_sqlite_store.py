"""What only a file can do to us."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from factories_stores import stored_history, stored_version

from pagecast.featurestore.history.history import Profile
from pagecast.featurestore.online import packed_store
from pagecast.featurestore.online.store import OnlineFeatures
from pagecast.featurestore.state import StatePaths

USER = "ada-of-the-search"


@pytest.fixture
def paths(tmp_path: Path) -> StatePaths:
    return StatePaths(root=tmp_path / "state")


@pytest.fixture
def online(paths: StatePaths) -> Iterator[OnlineFeatures]:
    features = OnlineFeatures.open(paths)
    yield features
    features.close()


def test_a_lost_file_is_made_anew(paths: StatePaths) -> None:
    OnlineFeatures.open(paths).close()
    paths.online_db.unlink()
    again = OnlineFeatures.open(paths)
    assert again.read_history("ada") is None
    again.close()


def test_nothing_of_a_deleted_user_is_left_in_the_files(
    online: OnlineFeatures, paths: StatePaths
) -> None:
    """Nor of what was there before: pages that were freed, and the write-ahead log."""
    marks = []
    for n in range(1, 5):
        history = stored_history(USER, n, size=n * 5_000)
        marks.append(bytes(history.recent_event_hashes[:32]))
        online.write_histories([history])
    online.write_profiles({USER: (Profile(language="xx-search"), stored_version(1))})
    assert marks[-1] in contents(paths)
    online.delete_histories({USER: stored_version(9)})
    online.write_profiles({USER: (None, stored_version(2))})
    left = contents(paths)
    assert not [mark for mark in (*marks, USER.encode(), b"xx-search") if mark in left]


def test_fences_do_not_stay_for_ever(
    online: OnlineFeatures, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1_000_000_000.0]
    monkeypatch.setattr("time.time", lambda: clock[0])
    online.delete_histories({f"u{n}": stored_version(5) for n in range(20)})
    assert fences(online) == 2 * 20, "of the history, and of the embedding made from it"
    clock[0] += packed_store.FENCE_S + 1
    online.delete_histories({"ada": stored_version(5)})
    assert fences(online) == 2


def contents(paths: StatePaths) -> bytes:
    files = sorted(paths.root.glob("online.db*"))
    assert files
    return b"".join(file.read_bytes() for file in files)


def fences(online: OnlineFeatures) -> int:
    store: Any = online._store
    ((rows,),) = store._get_conn(online._config).execute("SELECT count(*) FROM pagecast_fences")
    return int(rows)
