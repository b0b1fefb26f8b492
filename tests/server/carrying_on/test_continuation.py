"""Step 8: a continuation is read as it was signed, or refused with the reason."""

import base64

import pytest
from factories import START_MS
from grpc import StatusCode
from hypothesis import given
from hypothesis import strategies as st

from pagecast.server.carrying_on.continuation import (
    CONTINUATION_BYTES_MAX,
    CONTINUATION_SECONDS_MAX,
    Continuations,
    check_keys,
)
from pagecast.server.rpc.errors import Refusal
from pagecast.v1 import continuation_pb2, events_pb2, homepage_pb2

KEY, OTHER = "k" * 32, "o" * 32


class Clock:
    now_ms = START_MS

    def __call__(self) -> int:
        return self.now_ms


def page(**fields: object) -> continuation_pb2.Continuation:
    fields = {"user_id": "ada", "page_id": "p", "seed": 7, **fields}
    return continuation_pb2.Continuation(**fields)  # type: ignore[arg-type]


SIGNED = Continuations([KEY]).sign(page())


def refusal(continuations: Continuations, token: str, user_id: str = "ada") -> Refusal:
    with pytest.raises(Refusal) as refused:
        continuations.read(token, user_id)
    assert refused.value.code is StatusCode.INVALID_ARGUMENT
    assert [violation.path for violation in refused.value.violations] == ["continuation"]
    return refused.value


def test_any_server_with_the_key_reads_what_was_signed() -> None:
    rows = [continuation_pb2.ContinuedRow(row=3, argument=1, entities=[9, 8, 7])]
    signed = page(rows=rows, model_version="m1")
    token = Continuations([KEY]).sign(signed)
    assert Continuations([KEY]).read(token, "ada") == signed


def test_a_key_is_exchanged_without_a_refusal() -> None:
    old, both, new = Continuations([KEY]), Continuations([OTHER, KEY]), Continuations([OTHER])
    assert both.read(old.sign(page()), "ada").page_id == "p"
    assert new.read(both.sign(page()), "ada").page_id == "p"
    assert refusal(new, old.sign(page())).reason == "CONTINUATION_INVALID"


def test_without_a_key_every_process_has_its_own() -> None:
    one, another = Continuations(), Continuations()
    token = one.sign(page())
    assert one.read(token, "ada").page_id == "p"
    assert refusal(another, token).reason == "CONTINUATION_INVALID"


def test_it_expires() -> None:
    clock = Clock()
    continuations = Continuations([KEY], clock)
    token = continuations.sign(page())
    clock.now_ms += CONTINUATION_SECONDS_MAX * 1000 - 1
    assert continuations.read(token, "ada").page_id == "p"
    clock.now_ms += 1
    assert refusal(continuations, token).reason == "CONTINUATION_EXPIRED"


def test_nobody_else_may_use_it() -> None:
    refused = refusal(Continuations([KEY]), SIGNED, "bob")
    assert refused.reason == "CONTINUATION_OF_ANOTHER_USER"
    assert "ada" not in str(refused)


@given(st.integers(0, len(SIGNED) - 1), st.characters(exclude_categories=["Cs"]))
def test_no_character_of_it_may_be_another(at: int, character: str) -> None:
    altered = SIGNED[:at] + character + SIGNED[at + 1 :]
    if altered != SIGNED:
        assert refusal(Continuations([KEY]), altered).reason == "CONTINUATION_INVALID"


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda b: base64.b64encode(b).decode()))
def test_whatever_else_is_sent_is_refused(token: str) -> None:
    assert refusal(Continuations([KEY]), token).reason == "CONTINUATION_INVALID"


@given(st.binary(min_size=1, max_size=64), st.integers(0, 200))
def test_nothing_can_be_added_or_taken_away(more: bytes, fewer: int) -> None:
    longer = SIGNED + base64.urlsafe_b64encode(more).rstrip(b"=").decode()
    for altered in (longer, SIGNED[:fewer] if fewer < len(SIGNED) else ""):
        assert refusal(Continuations([KEY]), altered).reason == "CONTINUATION_INVALID"


def test_that_of_the_longest_page_is_taken_by_a_request() -> None:
    large = (1 << 28) - 1
    row = continuation_pb2.ContinuedRow(row=10_000, argument=large, entities=[large] * 40)
    version = events_pb2.HistoryVersion(topic_id="t" * 64, partition=999, next_offset=1 << 50)
    longest = page(
        user_id="u" * 256,
        page_id="p" * 32,
        model_version="m" * 64,
        arm="a" * 64,
        seed=(1 << 64) - 1,
        catalog_number=1 << 50,
        requested_at_ms=1 << 50,
        history_version=version,
        rows=[row] * 40,
        ids_digest=bytes(8),
    )
    token = Continuations([KEY]).sign(longest)
    assert len(token) <= CONTINUATION_BYTES_MAX
    field = homepage_pb2.StreamHomepageRequest.DESCRIPTOR.fields_by_name["continuation"]
    assert f"max_bytes: {CONTINUATION_BYTES_MAX}" in str(field.GetOptions())


@pytest.mark.parametrize("keys", ["short", f"{KEY},short", f"{KEY},"])
def test_a_key_that_could_be_guessed_is_not_taken_and_not_shown(keys: str) -> None:
    with pytest.raises(ValueError, match="at least 32 characters") as refused:
        check_keys(keys)
    assert "short," not in str(refused.value)
    assert KEY not in str(refused.value)


def test_several_keys_are_separated_by_commas() -> None:
    assert check_keys("") == ()
    assert check_keys(f" {KEY} , {OTHER}") == (KEY, OTHER)
