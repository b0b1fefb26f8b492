"""What every online store promises; each test runs against SQLite and against a Valkey server."""

import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import closing
from itertools import count
from typing import Any

import pytest
from factories_stores import stored_history, stored_version
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pagecast.featurestore.history.history import History, HistoryVersion, Profile
from pagecast.featurestore.history.packing import PackedHistoryError, pack, unpack
from pagecast.featurestore.online.store import OnlineFeatures
from pagecast.featurestore.online.store_url import StoreUrlError
from pagecast.featurestore.state import StatePaths

DUTCH, ENGLISH = Profile(language="nl", maturity_limit=12), Profile(language="en")

_example = count()


def test_a_history_comes_back_as_it_was_written(online: OnlineFeatures) -> None:
    history = stored_history("ada", 3)
    assert online.read_history("ada") is None
    assert online.write_histories([history]) == []
    assert online.read_history("ada") == history


def test_one_read_brings_history_and_profile(online: OnlineFeatures) -> None:
    assert online.read_user("ada") == (None, Profile())
    online.write_histories([stored_history("ada", 3)])
    assert online.read_user("ada") == (stored_history("ada", 3), Profile())
    online.write_profiles({"ada": (DUTCH, stored_version(1))})
    assert online.read_user("ada") == (stored_history("ada", 3), DUTCH)
    online.delete_histories({"ada": stored_version(4)})
    assert online.read_user("ada") == (None, DUTCH)


@pytest.mark.parametrize("users", [1, 2, 200, 201, 505])
def test_many_histories_are_written_and_read_at_once(online: OnlineFeatures, users: int) -> None:
    histories = {f"u{n}": stored_history(f"u{n}", n + 1) for n in range(users)}
    assert online.write_histories(list(histories.values())) == []
    assert online.read_histories([*histories, "stranger"]) == histories
    assert online.read_histories(list(reversed(histories))) == histories


def test_nothing_is_asked_of_the_store_for_no_users(online: OnlineFeatures) -> None:
    assert online.write_histories([]) == []
    assert online.read_histories([]) == {}
    assert online.write_profiles({}) == []
    assert online.delete_histories({}) == []


def test_an_older_history_of_the_same_log_is_refused(online: OnlineFeatures) -> None:
    newer, older = stored_history("ada", 9), stored_history("ada", 8)
    online.write_histories([newer])
    assert online.write_histories([older, stored_history("bob", 1)]) == ["ada"]
    assert online.read_history("ada") == newer
    assert online.read_history("bob") == stored_history("bob", 1), "the rest of it is written"


def test_exactly_the_refused_of_a_batch_are_named(online: OnlineFeatures) -> None:
    online.write_histories([stored_history(f"u{n}", 10) for n in range(30)])
    batch = [stored_history(f"u{n}", 9 + n % 3) for n in range(30)]
    late = [f"u{n}" for n in range(0, 30, 3)]
    assert sorted(online.write_histories(batch)) == sorted(late)
    stored = online.read_histories([f"u{n}" for n in range(30)])
    for n in range(30):
        assert stored[f"u{n}"] == stored_history(f"u{n}", max(10, 9 + n % 3))


def test_the_same_offset_may_be_written_again(online: OnlineFeatures) -> None:
    history = stored_history("ada", 5)
    assert online.write_histories([history]) == online.write_histories([history]) == []


@pytest.mark.parametrize("place", [{"topic_id": "made anew"}, {"topic_id": ""}, {"partition": 3}])
def test_offsets_of_another_log_do_not_compare(
    online: OnlineFeatures, place: dict[str, Any]
) -> None:
    online.write_histories([stored_history("ada", 9)])
    again = stored_history("ada", stored_version(1, **place))
    assert online.write_histories([again]) == []
    assert online.read_history("ada") == again


@pytest.mark.parametrize("low", [9, 99, 2**31 - 1, 2**53, 2**63 - 2])
def test_offsets_compare_as_numbers_however_great(online: OnlineFeatures, low: int) -> None:
    online.write_histories([stored_history("ada", low + 1)])
    assert online.write_histories([stored_history("ada", low)]) == ["ada"]
    assert online.read_history("ada") == stored_history("ada", low + 1)


_versions = st.builds(
    stored_version,
    st.integers(1, 6),
    topic_id=st.sampled_from(["a", "b"]),
    partition=st.integers(0, 1),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(writes=st.lists(st.tuples(_versions, st.booleans()), max_size=12))
def test_after_any_writes_and_deletions_the_rule_holds(
    online: OnlineFeatures, writes: Sequence[tuple[HistoryVersion, bool]]
) -> None:
    """The store beside the rule: refused is what the same place has a greater offset of."""
    user_id = f"user-{next(_example)}"
    stored: History | None = None
    fence: HistoryVersion | None = None
    for version, is_deletion in writes:
        held = None if stored is None else stored.version
        refused = _is_newer(held, version) or _is_newer(fence, version)
        history = stored_history(user_id, version)
        if is_deletion:
            answer = online.delete_histories({user_id: version})
        else:
            answer = online.write_histories([history])
        assert answer == ([user_id] if refused else [])
        if not refused:
            stored = None if is_deletion else history
            fence = version if is_deletion else fence
        assert online.read_history(user_id) == stored


def _is_newer(held: HistoryVersion | None, version: HistoryVersion) -> bool:
    return (
        held is not None
        and (held.topic_id, held.partition) == (version.topic_id, version.partition)
        and held.next_offset > version.next_offset
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(batches=st.lists(st.lists(st.integers(1, 20), max_size=6), min_size=2, max_size=4))
def test_whatever_the_interleaving_of_writers_the_newest_stays(
    online: OnlineFeatures, batches: Sequence[Sequence[int]]
) -> None:
    user_id = f"raced-{next(_example)}"

    def write(offsets: Sequence[int]) -> None:
        for offset in offsets:
            online.write_histories([stored_history(user_id, offset)])

    writers = [threading.Thread(target=write, args=(offsets,)) for offsets in batches]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    highest = max((offset for offsets in batches for offset in offsets), default=None)
    expected = None if highest is None else stored_history(user_id, highest)
    assert online.read_history(user_id) == expected


def test_a_late_writer_does_not_bring_back_what_was_deleted(online: OnlineFeatures) -> None:
    online.write_histories([stored_history("ada", 5), stored_history("bob", 5)])
    assert online.delete_histories({"ada": stored_version(8), "eve": stored_version(8)}) == []
    assert online.read_histories(["ada", "bob", "eve"]) == {"bob": stored_history("bob", 5)}
    late = [stored_history("ada", 7), stored_history("bob", 7), stored_history("eve", 7)]
    assert sorted(online.write_histories(late)) == ["ada", "eve"]
    assert online.write_histories([stored_history("ada", 9)]) == [], "who comes back is a stranger"
    assert online.read_history("ada") == stored_history("ada", 9)


def test_a_late_deletion_is_refused(online: OnlineFeatures) -> None:
    online.write_histories([stored_history("ada", 9)])
    assert online.delete_histories({"ada": stored_version(8)}) == ["ada"]
    assert online.read_history("ada") == stored_history("ada", 9)


def test_profiles_are_conditional_as_well(online: OnlineFeatures) -> None:
    assert online.read_profile("ada") == Profile()
    assert online.write_profiles({"ada": (DUTCH, stored_version(4))}) == []
    assert online.write_profiles({"ada": (ENGLISH, stored_version(3))}) == ["ada"]
    assert online.read_profile("ada") == DUTCH
    assert online.read_profiles(["bob", "ada"]) == {"ada": DUTCH}


def test_a_null_record_deletes_a_profile_that_is_not_newer(online: OnlineFeatures) -> None:
    online.write_profiles({"ada": (DUTCH, stored_version(4)), "bob": (DUTCH, stored_version(9))})
    nulls = {user: (None, stored_version(5)) for user in ("ada", "bob", "eve")}
    assert online.write_profiles(nulls) == ["bob"]
    assert online.read_profiles(["ada", "bob", "eve"]) == {"bob": DUTCH}
    mixed = {"ada": (ENGLISH, stored_version(4)), "bob": (None, stored_version(10))}
    assert online.write_profiles(mixed) == ["ada"], "the deletion is newer than this profile"
    assert online.read_profiles(["ada", "bob"]) == {}


def test_histories_and_profiles_do_not_touch_each_other(online: OnlineFeatures) -> None:
    online.write_profiles({"ada": (DUTCH, stored_version(7))})
    assert online.write_histories([stored_history("ada", 1)]) == []
    online.delete_histories({"ada": stored_version(9)})
    assert online.read_profile("ada") == DUTCH
    assert online.write_profiles({"ada": (ENGLISH, stored_version(8))}) == []


@pytest.mark.parametrize(
    "user_id",
    [
        "42",
        "Ada Lovelace",
        "ação/'\"%;",
        "{tag}",
        "a{b}c",
        "a*?[b]",
        "用户" * 42,
        "x" * 256,
        "\x01",
    ],
)
def test_user_ids_are_strings_of_any_letters(online: OnlineFeatures, user_id: str) -> None:
    online.write_histories([stored_history(user_id, 2), stored_history("bystander", 2)])
    online.write_profiles({user_id: (DUTCH, stored_version(1))})
    assert online.write_histories([stored_history(user_id, 1)]) == [user_id]
    assert online.read_user(user_id) == (stored_history(user_id, 2), DUTCH)
    assert online.delete_histories({user_id: stored_version(2)}) == []
    assert online.read_histories([user_id, "bystander"]).keys() == {"bystander"}


@pytest.mark.parametrize("size", [0, 16_000, 1_000_000])
def test_values_are_of_any_size(online: OnlineFeatures, size: int) -> None:
    histories = {f"u{n}": stored_history(f"u{n}", 1, size=size) for n in range(9)}
    online.write_histories(list(histories.values()))
    assert online.read_histories(list(histories)) == histories


def test_what_was_written_is_there_after_opening_again(
    online: OnlineFeatures, paths: StatePaths, online_store_url: str | None
) -> None:
    online.write_histories([stored_history("ada", 1)])
    before = paths.feast_registry.read_bytes()
    again = OnlineFeatures.open(paths, online_store_url)
    assert again.read_history("ada") == stored_history("ada", 1)
    assert paths.feast_registry.read_bytes() == before, "there was nothing to apply"
    again.close()


def test_a_closed_store_may_be_used_again(online: OnlineFeatures) -> None:
    online.write_histories([stored_history("ada", 1)])
    online.close()
    assert online.read_history("ada") == stored_history("ada", 1)


def test_feast_reads_what_we_write(
    online: OnlineFeatures, paths: StatePaths, online_store_url: str | None
) -> None:
    online.write_histories([stored_history("ada", 1)])
    online.write_profiles({"ada": (DUTCH, stored_version(1))})
    answer = (
        feast_store(paths, online_store_url)
        .get_online_features(
            features=["history:packed"], entity_rows=[{"user_id": "ada"}, {"user_id": "stranger"}]
        )
        .to_dict()
    )
    assert unpack("ada", answer["packed"][0]) == stored_history("ada", 1)
    assert answer["packed"][1] is None


def test_feasts_own_writes_are_conditional_too(
    online: OnlineFeatures, paths: StatePaths, online_store_url: str | None
) -> None:
    online.write_histories([stored_history("ada", 9)])
    store = feast_store(paths, online_store_url)
    for next_offset in (8, 12):
        store.write_to_online_store("history", df=frame(pack(stored_history("ada", next_offset))))
    stored = online.read_history("ada")
    assert stored is not None
    assert stored.version == stored_version(12)


def test_a_value_that_is_not_packed_is_refused_with_its_batch(
    online: OnlineFeatures, paths: StatePaths, online_store_url: str | None
) -> None:
    store = feast_store(paths, online_store_url)
    with pytest.raises(PackedHistoryError):
        store.write_to_online_store("history", df=frame(b"something else"))
    assert online.read_history("ada") is None


def test_a_history_that_cannot_be_read_is_told_by_its_user(
    paths: StatePaths, online_store_url: str | None
) -> None:
    ours, other = (OnlineFeatures.open(paths, online_store_url, fold=fold) for fold in (1, 2))
    with closing(ours), closing(other):
        ours.write_histories([stored_history("ada", 9), stored_history("eve", 9)])
        with pytest.raises(PackedHistoryError, match=r"user 'ada': .*\[fold\]"):
            other.read_histories(["bob", "ada"])


def feast_store(paths: StatePaths, online_store_url: str | None) -> Any:
    from feast import FeatureStore

    from pagecast.featurestore.online.definitions import repo_config

    return FeatureStore(config=repo_config(paths, online_store_url))


def frame(packed: bytes) -> Any:
    import pandas as pd

    moment = pd.Timestamp.now(tz="UTC")
    return pd.DataFrame({"user_id": ["ada"], "packed": [packed], "occurred_at": [moment]})


def test_threads_read_whole_histories_while_another_writes(online: OnlineFeatures) -> None:
    versions = [stored_history("ada", n, size=100 * n) for n in range(1, 60)]
    online.write_histories(versions[:1])
    failures: list[str] = []
    done = threading.Event()

    def read() -> None:
        newest = 0
        while not done.is_set():
            history = online.read_history("ada")
            assert history is not None
            assert history.version is not None
            if history != versions[history.version.next_offset - 1]:
                failures.append("a history that nobody wrote")
            if history.version.next_offset < newest:
                failures.append("a history older than the one before")
            newest = history.version.next_offset

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for history in versions:
        online.write_histories([history])
    done.set()
    for reader in readers:
        reader.join()
    assert failures == []


def test_a_bad_url_is_refused_before_anything_is_made(paths: StatePaths) -> None:
    with pytest.raises(StoreUrlError, match="online_store_url"):
        OnlineFeatures.open(paths, "postgresql://store")
    assert not paths.root.exists()


def test_importing_the_feature_store_imports_neither_feast_nor_a_client() -> None:
    code = (
        "import sys, pagecast.featurestore.online.store;"
        "assert not {'feast', 'redis'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
