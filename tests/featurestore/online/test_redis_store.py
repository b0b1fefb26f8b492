"""What only a Redis or Valkey server can do to us."""

import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from factories_stores import ValkeyServer, free_port, stored_history, stored_version, valkey_server

from pagecast.featurestore.online.packed_store import FENCE_S
from pagecast.featurestore.online.redis_client import CONNECT_TIMEOUT_S, SOCKET_TIMEOUT_S
from pagecast.featurestore.online.redis_pipeline import PIPELINE_BYTES_MAX, PIPELINE_CALLS_MAX
from pagecast.featurestore.online.store import OnlineFeatures
from pagecast.featurestore.online.store_errors import (
    STORE_TRANSIENT,
    OnlineStoreAway,
    OnlineStoreRefused,
)
from pagecast.featurestore.state import StatePaths

SECRET = "a-secret-of-the-tests"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ValkeyServer]:
    """One that a test may stop or set."""
    with valkey_server(tmp_path / "valkey") as made:
        yield made


def opened(root: Path, url: str) -> OnlineFeatures:
    return OnlineFeatures.open(StatePaths(root=root / "state"), url)


@pytest.fixture
def online(tmp_path: Path, server: ValkeyServer) -> Iterator[OnlineFeatures]:
    features = opened(tmp_path, server.url)
    yield features
    features.close()


def test_a_server_that_is_gone_is_away_and_comes_back(
    online: OnlineFeatures, server: ValkeyServer
) -> None:
    online.write_histories([stored_history("ada", 1)])
    server.kill()
    for ask in (
        lambda: online.read_user("ada"),
        lambda: online.read_histories(["ada", "bob"]),
        lambda: online.write_histories([stored_history("ada", 2)]),
        lambda: online.delete_histories({"ada": stored_version(2)}),
    ):
        with pytest.raises(STORE_TRANSIENT, match=f"redis://127.0.0.1:{server.port}"):
            ask()
    server.start()
    assert online.read_history("ada") is None, "this one keeps nothing"
    assert online.write_histories([stored_history("ada", 2)]) == []


def test_a_server_that_was_restarted_meanwhile_is_not_noticed(
    online: OnlineFeatures, server: ValkeyServer
) -> None:
    """Its connection is stale, and the scripts are gone."""
    online.write_histories([stored_history("ada", 1)])
    server.kill()
    server.start()
    assert online.write_histories([stored_history("ada", 1)]) == []
    assert online.read_history("ada") == stored_history("ada", 1)


def test_scripts_that_the_server_has_forgotten_are_sent_again(
    online: OnlineFeatures, server: ValkeyServer
) -> None:
    for n in range(1, 4):
        assert server.command("SCRIPT", "FLUSH") == "+OK"
        assert online.write_histories([stored_history(u, n) for u in ("ada", "bob")]) == []
        assert server.command("SCRIPT", "FLUSH") == "+OK"
        assert online.delete_histories({"bob": stored_version(n)}) == []
    assert online.read_histories(["ada", "bob"]) == {"ada": stored_history("ada", 3)}


def test_a_server_that_hangs_is_given_up_in_time(
    online: OnlineFeatures, server: ValkeyServer
) -> None:
    online.write_histories([stored_history("ada", 1)])
    with server.halted():
        begin = time.monotonic()
        with pytest.raises(OnlineStoreAway):
            online.read_user("ada")
        assert time.monotonic() - begin < 2 * SOCKET_TIMEOUT_S, "it was asked once"
    assert online.read_history("ada") == stored_history("ada", 1)


def test_a_write_that_was_given_up_may_be_repeated(
    online: OnlineFeatures, server: ValkeyServer
) -> None:
    batch = [stored_history(f"u{n}", 3, size=1000) for n in range(50)]
    with server.halted(), pytest.raises(OnlineStoreAway):
        online.write_histories(batch)
    assert online.write_histories(batch) == [], "what had arrived is not refused"
    assert len(online.read_histories([h.user_id for h in batch])) == 50


def test_an_address_without_a_server_is_away_in_time(tmp_path: Path) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        taken = full.getsockname()
        with socket.create_connection(taken):  # nobody else is let in
            features = opened(tmp_path, f"redis://127.0.0.1:{taken[1]}")
            begin = time.monotonic()
            with pytest.raises(OnlineStoreAway):
                features.read_user("ada")
            assert time.monotonic() - begin < 2 * (CONNECT_TIMEOUT_S + SOCKET_TIMEOUT_S)
    features.close()


def test_a_full_memory_is_transient_and_reading_goes_on(
    online: OnlineFeatures, server: ValkeyServer
) -> None:
    online.write_histories([stored_history("ada", 1)])
    assert server.command("CONFIG", "SET", "maxmemory", "1mb") == "+OK"
    batch = [stored_history(f"u{n}", 1, size=100_000) for n in range(40)]
    with pytest.raises(OnlineStoreAway, match="maxmemory"):
        online.write_histories(batch)
    assert online.read_history("ada") == stored_history("ada", 1)
    assert server.command("CONFIG", "SET", "maxmemory", "0") == "+OK"
    assert online.write_histories(batch) == []


def test_a_full_disk_is_transient(online: OnlineFeatures, server: ValkeyServer) -> None:
    """Valkey stops taking writes when it can save none."""
    assert server.command("CONFIG", "SET", "save", "3600 1") == "+OK"
    shutil.rmtree(server.folder)
    assert server.command("BGSAVE").startswith("+Background")
    deadline = time.monotonic() + 10
    while "rdb_last_bgsave_status:err" not in server.command("INFO", "persistence"):
        online.read_history("ada")
        assert time.monotonic() < deadline
        time.sleep(0.01)
    with pytest.raises(OnlineStoreAway, match=r"(?i)disk"):
        online.write_histories([stored_history("ada", 1)])


def test_a_replica_that_takes_no_writes_is_transient(
    online: OnlineFeatures, server: ValkeyServer
) -> None:
    assert server.command("REPLICAOF", "127.0.0.1", str(free_port())) == "+OK"
    with pytest.raises(OnlineStoreAway):
        online.write_histories([stored_history("ada", 1)])
    assert server.command("REPLICAOF", "NO", "ONE") == "+OK"
    assert online.write_histories([stored_history("ada", 1)]) == []


@pytest.mark.parametrize("login", ["", ":wrong@", "nobody:wrong@"])
def test_a_wrong_password_is_permanent_and_is_not_shown(tmp_path: Path, login: str) -> None:
    with valkey_server(tmp_path / "valkey", password=SECRET) as server:
        features = opened(tmp_path, server.url.replace(f":{SECRET}@", login))
        for ask in (
            lambda: features.read_user("ada"),
            lambda: features.write_histories([stored_history("ada", 1)]),
        ):
            with pytest.raises(OnlineStoreRefused, match="online_store_url") as refused:
                ask()
            assert "wrong" not in str(refused.value)
        features.close()
        right = opened(tmp_path, server.url)
        assert right.write_histories([stored_history("ada", 1)]) == []
        server.kill()
        with pytest.raises(OnlineStoreAway) as away:
            right.read_user("ada")
        assert SECRET not in str(away.value) + repr(right._config)
        right.close()


def test_another_programs_data_is_permanent(online: OnlineFeatures) -> None:
    online.write_histories([stored_history("ada", 1)])
    (key,) = client_of(online).keys("*")
    client_of(online).delete(key)
    client_of(online).set(key, "a string")
    for ask in (
        lambda: online.read_user("ada"),
        lambda: online.write_histories([stored_history("ada", 2)]),
    ):
        with pytest.raises(OnlineStoreRefused, match="another program"):
            ask()


def test_a_database_that_does_not_exist_is_permanent(tmp_path: Path, server: ValkeyServer) -> None:
    features = opened(tmp_path, f"{server.url}/77")
    with pytest.raises(OnlineStoreRefused, match="77"):
        features.read_user("ada")
    features.close()


def test_a_single_server_is_no_cluster(tmp_path: Path, server: ValkeyServer) -> None:
    features = opened(tmp_path, server.url.replace("redis:", "redis+cluster:"))
    with pytest.raises(OnlineStoreRefused, match="cluster"):
        features.read_user("ada")
    features.close()


def test_a_batch_of_many_bytes_goes_in_several_round_trips(
    online: OnlineFeatures, server: ValkeyServer
) -> None:
    size = PIPELINE_BYTES_MAX // 10
    batch = [stored_history(f"u{n}", 1, size=size) for n in range(25)]
    assert online.write_histories(batch) == []
    peak = int(_field(server.command("INFO", "clients"), "client_recent_max_input_buffer"))
    assert peak < 2 * PIPELINE_BYTES_MAX
    assert len(online.read_histories([h.user_id for h in batch])) == 25


def test_a_value_greater_than_a_round_trip_goes_alone(online: OnlineFeatures) -> None:
    batch = [stored_history(f"u{n}", 1, size=size) for n, size in enumerate((0, 5_000_000, 0))]
    assert online.write_histories(batch) == []
    assert online.read_histories(["u0", "u1", "u2"]) == {h.user_id: h for h in batch}


def test_more_calls_than_one_round_trip_has(online: OnlineFeatures) -> None:
    users = [f"u{n}" for n in range(2 * PIPELINE_CALLS_MAX + 1)]
    assert online.write_histories([stored_history(user, 2) for user in users]) == []
    assert online.write_histories([stored_history(user, 1) for user in users]) == users
    assert online.delete_histories(dict.fromkeys(users, stored_version(2))) == []
    assert online.read_histories(users) == {}


def test_nothing_of_an_erased_user_is_left_on_the_server(online: OnlineFeatures) -> None:
    online.write_histories([stored_history("ada-of-the-search", 5)])
    online.write_profiles({"ada-of-the-search": (None, stored_version(2))})
    online.delete_histories({"ada-of-the-search": stored_version(6)})
    client = client_of(online)
    for key in client.keys("*"):
        assert b"ada-of-the-search" not in key
        assert 0 < client.ttl(key) <= FENCE_S, "what fences late writers goes by itself"
        assert not any(b"ada-of-the-search" in v for v in client.hgetall(key).values())


def test_feast_deletes_a_view_and_leaves_the_others(online: OnlineFeatures) -> None:
    users = [f"u{n}" for n in range(300)]
    online.write_histories([stored_history(user, 5) for user in users])
    online.write_profiles({"u7": (online.read_profile("u7"), stored_version(1))})
    store: Any = online._store
    store.delete_table(online._config, online._views.history)
    assert online.read_histories(users) == {}
    assert client_of(online).dbsize() == 1
    assert online.write_histories([stored_history("u1", 1)]) == [], "nor is its version there"


def test_feasts_asynchronous_calls_are_not_offered(online: OnlineFeatures) -> None:
    store: Any = online._store
    assert not store.async_supported.write
    assert not store.async_supported.read


def client_of(online: OnlineFeatures) -> Any:
    store: Any = online._store
    return store._get_client(online._config.online_store)


def _field(info: str, name: str) -> str:
    return next(line.partition(":")[2] for line in info.split("\r\n") if line.startswith(name))
