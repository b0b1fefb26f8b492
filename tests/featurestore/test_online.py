import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from factories import START_MS, play
from factories_featurestore import fold, version

from pagecast.featurestore.history import History, Profile
from pagecast.featurestore.online import READ_USERS_MAX, OnlineFeatures
from pagecast.featurestore.packing import PackedHistoryError
from pagecast.featurestore.state import StatePaths


@pytest.fixture
def paths(tmp_path: Path) -> StatePaths:
    return StatePaths(root=tmp_path / "state")


@pytest.fixture
def online(paths: StatePaths) -> Iterator[OnlineFeatures]:
    features = OnlineFeatures.open(paths)
    yield features
    features.close()


def history_of(user_id: str, *, steps: int = 3, next_offset: int | None = None) -> History:
    history = fold(
        [play(user_id, f"e{n}", START_MS + n) for n in range(steps)], History(user_id=user_id)
    )
    if next_offset is not None:
        history.version = version(next_offset)
    return history


def test_a_history_comes_back_as_it_was_written(online: OnlineFeatures) -> None:
    history = history_of("ada")
    assert online.read_history("ada") is None
    assert online.write_histories([history]) == []
    assert online.read_history("ada") == history


def test_many_histories_are_written_and_read_at_once(online: OnlineFeatures) -> None:
    histories = {f"u{n}": history_of(f"u{n}", steps=1) for n in range(READ_USERS_MAX + 5)}
    assert online.write_histories(list(histories.values())) == []
    assert online.read_histories([*histories, "stranger"]) == histories
    assert online.write_histories([]) == []
    assert online.read_histories([]) == {}


def test_an_older_history_of_the_same_log_is_refused(online: OnlineFeatures) -> None:
    newer, older = history_of("ada", next_offset=9), history_of("ada", steps=1, next_offset=8)
    online.write_histories([newer])
    assert online.write_histories([older, history_of("bob")]) == ["ada"]
    assert online.read_history("ada") == newer
    assert online.read_history("bob") == history_of("bob"), "the rest of the batch is written"


def test_the_same_offset_may_be_written_again(online: OnlineFeatures) -> None:
    history = history_of("ada")
    assert online.write_histories([history]) == online.write_histories([history]) == []


@pytest.mark.parametrize("place", [{"topic_id": "made anew"}, {"partition": 3}])
def test_offsets_of_another_log_do_not_compare(
    online: OnlineFeatures, place: dict[str, object]
) -> None:
    online.write_histories([history_of("ada", next_offset=9)])
    again = history_of("ada", steps=1)
    again.version = version(1, **place)
    assert online.write_histories([again]) == []
    assert online.read_history("ada") == again


def test_profiles_are_conditional_as_well(online: OnlineFeatures) -> None:
    dutch, english = Profile(language="nl", maturity_limit=12), Profile(language="en")
    assert online.read_profile("ada") == Profile()
    assert online.write_profiles({"ada": (dutch, version(4))}) == []
    assert online.write_profiles({"ada": (english, version(3))}) == ["ada"]
    assert online.read_profile("ada") == dutch


def test_histories_and_profiles_do_not_touch_each_other(online: OnlineFeatures) -> None:
    online.write_profiles({"ada": (Profile(language="nl"), version(7))})
    assert online.write_histories([history_of("ada", next_offset=1)]) == []
    assert online.read_profile("ada").language == "nl"


def test_user_ids_are_strings_of_any_letters(online: OnlineFeatures) -> None:
    for user_id in ("42", "Ada Lovelace", "ação/'\"%;", "用户"):
        online.write_histories([history_of(user_id)])
        assert online.read_history(user_id) == history_of(user_id)


def test_what_was_written_is_there_after_opening_again(
    online: OnlineFeatures, paths: StatePaths
) -> None:
    online.write_histories([history_of("ada")])
    again = OnlineFeatures.open(paths)
    assert again.read_history("ada") == history_of("ada")
    again.close()


def test_opening_again_does_not_rewrite_the_registry(
    online: OnlineFeatures, paths: StatePaths
) -> None:
    before = paths.feast_registry.read_bytes()
    OnlineFeatures.open(paths).close()
    assert paths.feast_registry.read_bytes() == before


def test_a_lost_online_store_is_made_anew(paths: StatePaths) -> None:
    OnlineFeatures.open(paths).close()
    paths.online_db.unlink()
    again = OnlineFeatures.open(paths)
    assert again.read_history("ada") is None
    again.close()


def test_feast_reads_what_we_write(online: OnlineFeatures, paths: StatePaths) -> None:
    from feast import FeatureStore

    from pagecast.featurestore.definitions import repo_config
    from pagecast.featurestore.packing import unpack

    online.write_histories([history_of("ada")])
    store = FeatureStore(config=repo_config(paths))
    answer = store.get_online_features(
        features=["history:packed"], entity_rows=[{"user_id": "ada"}, {"user_id": "stranger"}]
    ).to_dict()
    assert unpack("ada", answer["packed"][0]) == history_of("ada")
    assert answer["packed"][1] is None


def test_feasts_own_writes_are_conditional_too(online: OnlineFeatures, paths: StatePaths) -> None:
    import pandas as pd
    from feast import FeatureStore

    from pagecast.featurestore.definitions import repo_config
    from pagecast.featurestore.packing import pack

    online.write_histories([history_of("ada", next_offset=9)])
    moment = pd.Timestamp.now(tz="UTC")
    store = FeatureStore(config=repo_config(paths))
    for next_offset in (8, 12):
        value = pack(history_of("ada", next_offset=next_offset))
        frame = pd.DataFrame({"user_id": ["ada"], "packed": [value], "occurred_at": [moment]})
        store.write_to_online_store("history", df=frame)
    stored = online.read_history("ada")
    assert stored is not None
    assert stored.version == version(12)


def test_a_value_that_is_not_packed_is_refused_with_its_batch(
    online: OnlineFeatures, paths: StatePaths
) -> None:
    import pandas as pd
    from feast import FeatureStore

    from pagecast.featurestore.definitions import repo_config

    frame = pd.DataFrame(
        {
            "user_id": ["ada"],
            "packed": [b"something else"],
            "occurred_at": [pd.Timestamp.now(tz="UTC")],
        }
    )
    store = FeatureStore(config=repo_config(paths))
    with pytest.raises(PackedHistoryError):
        store.write_to_online_store("history", df=frame)
    assert online.read_history("ada") is None


def test_threads_read_whole_histories_while_another_writes(online: OnlineFeatures) -> None:
    versions = [history_of("ada", steps=n, next_offset=n) for n in range(1, 60)]
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


def test_a_closed_store_may_be_used_again(online: OnlineFeatures) -> None:
    online.write_histories([history_of("ada")])
    online.close()
    assert online.read_history("ada") == history_of("ada")


def test_importing_the_feature_store_does_not_import_feast() -> None:
    code = "import sys, pagecast.featurestore.online; assert 'feast' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
