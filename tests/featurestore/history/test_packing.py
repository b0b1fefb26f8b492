import struct

import pytest
from factories import START_MS, play
from factories_featurestore import Event, event_streams, fold, history_with, version
from hypothesis import given
from hypothesis import strategies as st

from pagecast.featurestore.history.history import Action, History, Profile, Step, Total
from pagecast.featurestore.history.packing import (
    FORMAT,
    PackedHistoryError,
    pack,
    pack_profile,
    peek_version,
    unpack,
    unpack_profile,
)
from pagecast.v1 import history_pb2

_names = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=8)

steps = st.builds(
    Step,
    occurred_at_ms=st.integers(0, 2**53),
    action=st.sampled_from(Action),
    entity_id=_names,
    row_id=_names,
    watched_ms=st.integers(0, 2**32 - 1),
    rating=st.none() | st.integers(0, 10).map(lambda halves: halves / 2),
    events=st.integers(0, 2**16 - 1),
    device=_names,
    country=_names,
    language=_names,
    surface=_names,
    session_id=_names,
)

versions = st.builds(
    version,
    st.integers(1, 2**63 - 1),
    topic_id=st.text(max_size=40),
    partition=st.integers(0, 2**31 - 1),
)

totals = st.dictionaries(
    _names,
    st.builds(Total, st.integers(1, 2**32 - 1), st.integers(0, 2**53), st.integers(0, 2**53)),
    max_size=4,
)


@st.composite
def histories(draw: st.DrawFn) -> History:
    history = history_with(
        *draw(st.lists(steps, max_size=6)),
        version=draw(versions),
        hidden=dict.fromkeys(draw(st.lists(_names, max_size=4))),
        completed=dict.fromkeys(draw(st.lists(_names, max_size=4))),
        listed=dict.fromkeys(draw(st.lists(_names, max_size=4))),
        resume_ms=draw(st.dictionaries(_names, st.integers(0, 2**53), max_size=4)),
        stopped_ms=draw(st.dictionaries(_names, st.integers(0, 2**53), max_size=4)),
        entity_totals=draw(totals),
        row_totals=draw(totals),
    )
    history.steps_dropped = draw(st.integers(0, 2**53))
    for digest in draw(st.lists(st.binary(min_size=8, max_size=8), max_size=4)):
        history.recent_event_hashes += digest
    return history


@given(history=histories())
def test_unpack_is_the_inverse_of_pack(history: History) -> None:
    data = pack(history)
    unpacked = unpack("ada", data)
    assert unpacked == history
    assert pack(unpacked) == data


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
        pack(History("ada"))


def test_a_newer_format_is_refused() -> None:
    data = bytearray(pack(fold([play("ada", "e1")])))
    data[3] = FORMAT + 1
    with pytest.raises(PackedHistoryError, match=f"format {FORMAT + 1}"):
        unpack("ada", bytes(data))
    with pytest.raises(PackedHistoryError, match="upgrade"):
        peek_version(bytes(data))


def test_an_older_format_is_refused_with_the_remedy() -> None:
    data = bytearray(pack(fold([play("ada", "e1")])))
    data[3] = 1
    with pytest.raises(PackedHistoryError, match="make the stores anew"):
        unpack("ada", bytes(data))


def test_a_history_of_another_fold_is_refused() -> None:
    data = pack(fold([play("ada", "e1")]), fold=1)
    assert unpack("ada", data, fold=1) == unpack("ada", data)
    with pytest.raises(PackedHistoryError, match=r"\[fold\]"):
        unpack("ada", data, fold=2)


@pytest.mark.parametrize("length", range(30))
def test_a_truncated_value_is_refused(length: int) -> None:
    with pytest.raises(PackedHistoryError):
        unpack("ada", pack(fold([play("ada", "e1")]))[:length])


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param(b"\xff\xff\xff", "no PackedHistory", id="no protobuf"),
        pytest.param(
            history_pb2.PackedHistory(occurred_at_ms=bytes(8)).SerializeToString(),
            "do not fit",
            id="columns of different length",
        ),
        pytest.param(
            history_pb2.PackedHistory(hidden=b"\7\0").SerializeToString(),
            "do not fit",
            id="index beyond the string table",
        ),
        pytest.param(
            history_pb2.PackedHistory(
                occurred_at_ms=bytes(8),
                action=b"\1",
                entity=b"\7\0",
                row=bytes(2),
                watched_ms=bytes(4),
                rating=bytes(1),
                events=bytes(2),
                context=bytes(2),
                contexts=bytes(10),
            ).SerializeToString(),
            "do not fit",
            id="a step beyond the string table",
        ),
        pytest.param(
            history_pb2.PackedHistory(recent_event_hashes=bytes(9)).SerializeToString(),
            "do not fit",
            id="half a hash",
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
