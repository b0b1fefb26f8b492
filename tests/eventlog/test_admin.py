"""Topics are created explicitly, once, with the right settings."""

import pytest
from factories import free_port

from pagecast.eventlog.admin import Admin, ensure_topics, topic_ids
from pagecast.eventlog.errors import BrokerUnavailable, EventLogError, TopicMissing
from pagecast.eventlog.topics import (
    CATALOG,
    INTERACTIONS,
    PAGES,
    PROFILES,
    TOPICS,
    TRAININGS,
    dead_letter,
)


def test_every_topic_exists_with_its_partitions(bootstrap: str) -> None:
    with Admin(bootstrap) as admin:
        partitions = admin.partitions_of([topic.name for topic in TOPICS])
    assert partitions == {
        INTERACTIONS: 4,
        dead_letter(INTERACTIONS): 1,
        CATALOG: 1,
        dead_letter(CATALOG): 1,
        PROFILES: 4,
        dead_letter(PROFILES): 1,
        PAGES: 4,
        dead_letter(PAGES): 1,
        TRAININGS: 1,
        dead_letter(TRAININGS): 1,
    }


def test_creating_them_again_changes_nothing(bootstrap: str) -> None:
    before = topic_ids(bootstrap)
    ensure_topics(bootstrap)
    assert topic_ids(bootstrap) == before


def test_what_must_be_replayed_is_kept_for_ever_and_dead_letters_are_not() -> None:
    kept = {topic.name: topic.broker_settings()["retention.ms"] for topic in TOPICS}
    assert kept[INTERACTIONS] == kept[CATALOG] == kept[PROFILES] == kept[PAGES] == "-1"
    assert int(kept[dead_letter(INTERACTIONS)]) > 0


def test_a_missing_topic_is_named(bootstrap: str) -> None:
    with Admin(bootstrap) as admin, pytest.raises(TopicMissing, match=r"no\.such\.topic"):
        admin.ids_of([INTERACTIONS, "no.such.topic"])


def test_an_unknown_group_has_committed_nothing(bootstrap: str) -> None:
    with Admin(bootstrap) as admin:
        assert admin.committed("nobody") == {}


def test_no_broker_is_said_at_once() -> None:
    with pytest.raises(BrokerUnavailable, match="no broker listens on 127"):
        topic_ids(f"127.0.0.1:{free_port()}", timeout_s=0.1)


def test_bootstrap_servers_without_a_port_are_refused() -> None:
    with pytest.raises(EventLogError, match="write HOST:PORT"):
        topic_ids("localhost")
