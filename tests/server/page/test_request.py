"""Step 1: a request with its defaults, its clock and its deadline."""

from pathlib import Path

import factories
import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagecast.featurestore.prompt.prompt import RequestHalf
from pagecast.featurestore.state import StatePaths
from pagecast.server.config import ServerConfig
from pagecast.server.page.request import (
    PAGE_TIME_MAX_S,
    PageClock,
    PageRequest,
    read_request,
)
from pagecast.server.rpc.errors import Refusal
from pagecast.v1 import continuation_pb2, events_pb2, homepage_pb2

NOW_MS = factories.START_MS
CLOCK = PageClock.start(None)
CONFIG = ServerConfig(state=StatePaths(root=Path("state")))
CLIENT_CLOCK = ServerConfig(state=StatePaths(root=Path("state")), allow_client_clock=True)


def request(**fields: object) -> homepage_pb2.StreamHomepageRequest:
    return homepage_pb2.StreamHomepageRequest(user_id="u", **fields)  # type: ignore[arg-type]


def test_what_is_not_said_is_the_server_s_default() -> None:
    page = read_request(request(), CONFIG, CLOCK, NOW_MS)
    assert (page.rows, page.entities_per_row, page.exact_entities) == (8, 10, 3)
    assert page.exact_entities_by_row == ()
    assert page.half == RequestHalf(at_ms=NOW_MS)
    assert not page.entity_by_entity


def test_what_is_said_counts() -> None:
    context = events_pb2.RequestContext(device="tv", country="DE", language="de", surface="home")
    page = read_request(
        request(
            context=context,
            rows=2,
            entities_per_row=5,
            exact_entities=4,
            exact_entities_by_row=[5, 2],
            seed=7,
            granularity=homepage_pb2.GRANULARITY_ENTITIES,
        ),
        CONFIG,
        CLOCK,
        NOW_MS,
    )
    assert (page.rows, page.entities_per_row, page.exact_entities, page.seed) == (2, 5, 4, 7)
    assert page.exact_entities_by_row == (5, 2)
    assert page.half == RequestHalf(
        at_ms=NOW_MS, device="tv", country="DE", language="de", surface="home"
    )
    assert page.entity_by_entity


@pytest.mark.parametrize(
    ("time_remaining_s", "limit_s"), [(None, PAGE_TIME_MAX_S), (1.5, 1.5), (1e6, PAGE_TIME_MAX_S)]
)
def test_a_page_has_a_deadline_whatever_the_client_says(
    time_remaining_s: float | None, limit_s: float
) -> None:
    clock = PageClock.start(time_remaining_s)
    assert clock.deadline_s - clock.arrived_s == pytest.approx(limit_s)
    assert not clock.is_over()
    assert PageClock.start(0.0).is_over()


def test_no_two_pages_have_one_id() -> None:
    assert len({read_request(request(), CONFIG, CLOCK, NOW_MS).page_id for _ in range(100)}) == 100


def test_a_client_s_clock_is_refused_by_name() -> None:
    with pytest.raises(Refusal) as refused:
        read_request(request(requested_at=factories.timestamp(NOW_MS)), CONFIG, CLOCK, NOW_MS)
    assert refused.value.code is grpc.StatusCode.INVALID_ARGUMENT
    assert [v.path for v in refused.value.violations] == ["requested_at"]


def test_a_client_s_clock_counts_where_it_is_allowed() -> None:
    earlier = request(requested_at=factories.timestamp(NOW_MS - 5))
    assert read_request(earlier, CLIENT_CLOCK, CLOCK, NOW_MS).half.at_ms == NOW_MS - 5
    assert read_request(request(), CLIENT_CLOCK, CLOCK, NOW_MS).half.at_ms == NOW_MS


@given(st.integers(0, 2**63 - 1), st.integers(-(2**31), 2**31 - 1))
def test_any_moment_is_taken_or_refused(seconds: int, nanos: int) -> None:
    message = request()
    message.requested_at.seconds, message.requested_at.nanos = seconds, nanos
    try:
        assert read_request(message, CLIENT_CLOCK, CLOCK, NOW_MS).half.at_ms >= 0
    except Refusal as refusal:
        assert [v.path for v in refusal.violations] == ["requested_at"]


def test_a_page_that_is_carried_on_keeps_what_is_not_said() -> None:
    rows = [continuation_pb2.ContinuedRow(row=i) for i in range(3)]
    before = continuation_pb2.Continuation(
        page_id="p",
        seed=7,
        rows=rows,
        rows_wanted=8,
        entities_per_row=6,
        exact_entities=2,
        exact_entities_by_row=[6, 3],
    )

    def carried(**fields: object) -> PageRequest:
        return read_request(request(seed=9, **fields), CONFIG, CLOCK, NOW_MS, before)

    page = carried()
    assert (page.page_id, page.seed) == ("p", 7)
    assert (page.rows, page.entities_per_row, page.exact_entities) == (8, 6, 2)
    assert page.exact_entities_by_row == (6, 3)
    assert carried(exact_entities_by_row=[1]).exact_entities_by_row == (1,)
    assert carried(rows=2).rows == 5
    assert carried(rows=40).rows == 40
    assert carried(entities_per_row=4, exact_entities=4).entities_per_row == 4
    before.rows_wanted = 3
    assert carried().rows == 3 + CONFIG.rows_default
