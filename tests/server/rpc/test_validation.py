"""Step 1: what is not a message, or breaks a rule of its proto, is refused by name."""

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagecast.server.rpc.errors import Refusal
from pagecast.server.rpc.validation import Malformed, check, tolerant
from pagecast.v1 import events_pb2, homepage_pb2

parse = tolerant(homepage_pb2.StreamHomepageRequest.FromString)


def test_a_lawful_request_passes() -> None:
    check(parse(homepage_pb2.StreamHomepageRequest(user_id="u1").SerializeToString()))


def test_a_missing_user_id_is_named() -> None:
    with pytest.raises(Refusal) as refused:
        check(homepage_pb2.StreamHomepageRequest())
    assert refused.value.code is grpc.StatusCode.INVALID_ARGUMENT
    assert [v.path for v in refused.value.violations] == ["user_id"]


def test_all_broken_fields_are_named_with_their_paths() -> None:
    request = homepage_pb2.StreamHomepageRequest(
        user_id="u1", rows=41, context=events_pb2.RequestContext(country="germany")
    )
    with pytest.raises(Refusal) as refused:
        check(request)
    assert {v.path for v in refused.value.violations} == {"rows", "context.country"}


def test_items_of_lists_are_named_by_index() -> None:
    seen = events_pb2.SeenRow(row_id="r", entity_ids=["a", ""])
    with pytest.raises(Refusal) as refused:
        check(events_pb2.Impression(rows=[seen]))
    assert [v.path for v in refused.value.violations] == ["rows[0].entity_ids[1]"]


def test_a_row_of_which_nothing_is_decoded_one_by_one_is_named_by_its_position() -> None:
    """0 would be the server's default elsewhere; here it would be no number of a row."""
    for row in (0, 41):
        request = homepage_pb2.StreamHomepageRequest(user_id="u1", exact_entities_by_row=[3, row])
        with pytest.raises(Refusal) as refused:
            check(request)
        assert [v.path for v in refused.value.violations] == ["exact_entities_by_row[1]"]


def test_text_that_is_not_utf_8_is_malformed() -> None:
    assert isinstance(parse(b"\x0a\x02\xff\xfe"), Malformed)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_refused(data: bytes) -> None:
    try:
        check(parse(data))
    except Refusal as refusal:
        assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
