"""The same store on a cluster of two nodes."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from factories_stores import ValkeyServer, stored_history, stored_version, valkey_cluster
from redis.crc import key_slot

from pagecast.featurestore.history.history import Profile
from pagecast.featurestore.online.packed_store import entity_key
from pagecast.featurestore.online.store import OnlineFeatures
from pagecast.featurestore.online.store_errors import OnlineStoreAway
from pagecast.featurestore.state import StatePaths

pytestmark = pytest.mark.faults

PROJECT = b"pagecast"

USERS = [f"user-{n}" for n in range(60)] + ["{tag}", "a{b}c", "{}", "用户"]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[OnlineFeatures, list[ValkeyServer]]]:
    with valkey_cluster(tmp_path / "cluster") as (url, servers):
        online = OnlineFeatures.open(StatePaths(root=tmp_path / "state"), url)
        yield online, servers
        online.close()


def test_each_node_keeps_its_users_and_refuses_what_is_older(
    cluster: tuple[OnlineFeatures, list[ValkeyServer]],
) -> None:
    online, servers = cluster
    assert online.write_histories([stored_history(user, 5) for user in USERS]) == []
    sizes = [int(server.command("DBSIZE").lstrip(":")) for server in servers]
    assert min(sizes) > 0
    assert sum(sizes) == len(USERS)
    late = [stored_history(user, 4 + n % 2) for n, user in enumerate(USERS)]
    assert sorted(online.write_histories(late)) == sorted(USERS[::2])
    assert online.read_histories(USERS) == {user: stored_history(user, 5) for user in USERS}
    online.write_profiles({user: (Profile(language="nl"), stored_version(1)) for user in USERS})
    assert online.read_user("a{b}c") == (stored_history("a{b}c", 5), Profile(language="nl"))


def test_fences_are_on_the_node_of_their_user(
    cluster: tuple[OnlineFeatures, list[ValkeyServer]],
) -> None:
    online, _ = cluster
    online.write_histories([stored_history(user, 5) for user in USERS])
    assert online.delete_histories({user: stored_version(9) for user in USERS}) == []
    assert online.read_histories(USERS) == {}
    assert online.write_histories([stored_history(user, 8) for user in USERS]) == USERS
    assert online.write_histories([stored_history(user, 9) for user in USERS]) == []


def test_slots_may_move_while_it_is_used(
    cluster: tuple[OnlineFeatures, list[ValkeyServer]],
) -> None:
    """The client learns of it from the node that had them, which it asks for the new one's."""
    online, (one, other) = cluster
    online.read_histories(USERS)
    node = other.command("CLUSTER", "MYID").split("\r\n")[1]
    of_users = {key_slot(entity_key(user) + PROJECT) for user in USERS[::2]}
    for slot in of_users:
        for server in (other, one):
            assert server.command("CLUSTER", "SETSLOT", str(slot), "NODE", node) == "+OK"
    assert online.write_histories([stored_history(user, 5) for user in USERS]) == []
    assert online.write_histories([stored_history(user, 4) for user in USERS]) == USERS
    assert len(online.read_histories(USERS)) == len(USERS)


def test_a_lost_node_is_away_in_time_and_the_other_users_are_there(
    cluster: tuple[OnlineFeatures, list[ValkeyServer]],
) -> None:
    online, servers = cluster
    for server in servers:
        server.command("CONFIG", "SET", "cluster-require-full-coverage", "no")
    online.write_histories([stored_history(user, 5) for user in USERS])
    servers[1].kill()
    with pytest.raises(OnlineStoreAway):
        online.write_histories([stored_history(user, 6) for user in USERS])
    found = 0
    for user in USERS[:20]:
        with contextlib.suppress(OnlineStoreAway):
            found += online.read_history(user) is not None
    assert 0 < found < 20
