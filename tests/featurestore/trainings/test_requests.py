"""A request waits in the database until the event log has it."""

import sqlalchemy as sa

from pagecast.featurestore.database import Lock, exclusive
from pagecast.featurestore.trainings.requests import (
    PUBLISHING_MS_MAX,
    TrainingRequest,
    TrainingRequests,
    add_request,
    newest_request_ms,
)

NOW_MS = 1_800_000_000_000


def add(engine: sa.Engine, request_id: str, at_ms: int = NOW_MS) -> TrainingRequest:
    request = TrainingRequest(
        request_id=request_id, trigger="events", detail="many", occurred_at_ms=at_ms
    )
    with exclusive(engine, Lock.TRIGGERS) as connection:
        add_request(connection, request)
    return request


def test_a_request_is_unpublished_until_it_is_marked(engine: sa.Engine) -> None:
    requests = TrainingRequests(engine)
    request = add(engine, "r1")
    assert requests.unpublished("r1", NOW_MS) == [request]
    requests.mark_published("r1", NOW_MS + 5)
    assert requests.unpublished("r1", NOW_MS) == []


def test_what_another_process_made_is_left_to_it_for_a_while(engine: sa.Engine) -> None:
    requests = TrainingRequests(engine)
    older, newer = add(engine, "r1"), add(engine, "r2", NOW_MS + 1)
    assert requests.unpublished(None, NOW_MS + PUBLISHING_MS_MAX - 1) == []
    assert requests.unpublished(None, NOW_MS + PUBLISHING_MS_MAX) == [older]
    assert requests.unpublished(None, NOW_MS + PUBLISHING_MS_MAX + 1) == [older, newer]


def test_the_newest_request_is_known_published_or_not(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        assert newest_request_ms(connection) == 0
    add(engine, "r2", NOW_MS + 1)
    add(engine, "r1")
    TrainingRequests(engine).mark_published("r2", NOW_MS + 5)
    with engine.connect() as connection:
        assert newest_request_ms(connection) == NOW_MS + 1
