import struct

import pytest
from factories import START_MS, play
from factories_featurestore import Event, event_streams, fold, version
from hypothesis import given
from hypothesis import strategies as st

from pagecast.featurestore.history import Action, History, Profile, Step
from pagecast.featurestore.packing import (
    FORMAT,
    PackedHistoryError,
    pack,
    pack_profile,
    peek_version,
    unpack,
    unpack_profile,
)
from pagecast.v1 import history_pb2

_names = st.text(max_size=8)
_uints = st.integers(0, 2**32 - 1)

steps = st.builds(
    Step,
    occurred_at_ms=st.integers(0, 2**53),
    action=st.sampled_from(Action),
    entity_id=_names,
    row_id=_names,
    watched_ms=st.integers(0, 2**53),
    rating=st.none() | st.integers(0, 10).map(lambda halves: halves / 2),
    events=_uints,
    device=_names,
    country=_names,
    language=_names,
    surface=_names,
    session_id=_names,
)

versions = st.builds(
    version,
    st.integers(0, 2**63 - 1),
    topic_id=st.text(max_size=40),
    partition=st.integers(0, 2**31 - 1),
)


@st.composite
def histories(draw: st.DrawFn) -> History:
    history = History(
        user_id="ada",
        version=draw(versions),
        steps=draw(st.lists(steps, max_size=6)),
        hidden=dict.fromkeys(draw(st.lists(_names, max_size=4))),
        completed=dict.fromkeys(draw(st.lists(_names, max_size=4))),
        listed=dict.fromkeys(draw(st.lists(_names, max_size=4))),
        resume_ms=draw(st.dictionaries(_names, st.integers(0, 2**53), max_size=4)),
        steps_dropped=draw(_uints),
    )
    history.recent_event_hashes.extend(draw(st.lists(st.integers(0, 2**64 - 1), max_size=4)))
    return history


@given(history=histories())
def test_unpack_is_the_inverse_of_pack(history: History) -> None:
    unpacked = unpack("ada", pack(history))
    assert unpacked == history
    for name in ("hidden", "completed", "listed", "resume_ms"):
        assert list(getattr(unpacked, name)) == list(getattr(history, name)), "oldest first"


@given(events=event_streams())
def test_what_the_fold_makes_survives_packing_at_every_event(events: list[Event]) -> None:
    history = fold(events[:1])
    for offset, event in enumerate(events[1:], start=1):
        fold([event], history, first_offset=offset)
        assert unpack("ada", pack(history)) == history


@given(history=histories())
def test_the_version_is_read_from_the_header_alone(history: History) -> None:
    data = pack(history)
    header = data[: 18 + len(history.version.topic_id.encode())]
    assert peek_version(header) == history.version


def test_a_history_without_a_version_is_refused() -> None:
    with pytest.raises(ValueError, match="without a version"):
        pack(History(user_id="ada"))


def test_a_newer_format_is_refused() -> None:
    data = bytearray(pack(fold([play("ada", "e1")])))
    data[3] = FORMAT + 1
    with pytest.raises(PackedHistoryError, match="newer than the known"):
        unpack("ada", bytes(data))
    with pytest.raises(PackedHistoryError, match="upgrade"):
        peek_version(bytes(data))


@pytest.mark.parametrize("length", range(30))
def test_a_truncated_value_is_refused(length: int) -> None:
    with pytest.raises(PackedHistoryError):
        unpack("ada", pack(fold([play("ada", "e1")]))[:length])


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param(b"\xff\xff\xff", "no PackedHistory", id="no protobuf"),
        pytest.param(
            history_pb2.PackedHistory(occurred_at_ms=[1]).SerializeToString(),
            "do not fit",
            id="columns of different length",
        ),
        pytest.param(
            history_pb2.PackedHistory(hidden=[7]).SerializeToString(),
            "do not fit",
            id="index beyond the string table",
        ),
    ],
)
def test_a_damaged_body_is_refused(body: bytes, reason: str) -> None:
    header = struct.pack(">3sBiqH", b"PCH", FORMAT, 0, 1, 0)
    with pytest.raises(PackedHistoryError, match=reason):
        unpack("ada", header + body)


def test_an_unknown_magic_is_refused() -> None:
    with pytest.raises(PackedHistoryError, match="begins with"):
        peek_version(b"PK\x03\x04" + bytes(40))


@given(
    profile=st.builds(
        Profile,
        language=_names,
        profile_type=st.integers(0, 3),
        maturity_limit=st.none() | st.integers(0, 21),
        occurred_at_ms=st.integers(0, START_MS),
    ),
    profile_version=versions,
)
def test_a_profile_survives_packing(profile: Profile, profile_version: object) -> None:
    data = pack_profile("ada", profile, profile_version)
    assert unpack_profile(data) == profile
    assert peek_version(data) == profile_version


def test_a_profile_is_no_history() -> None:
    data = pack_profile("ada", Profile(), version(1))
    with pytest.raises(PackedHistoryError, match="PCP"):
        unpack("ada", data)
