"""Histories as of positions and moments: exactly what a server would have had."""

from pathlib import Path

import pytest
from factories import START_MS
from factories_featurestore import TOPIC, event_streams, fold, make_event
from featurestore.factories_offline import row_of
from hypothesis import given, settings
from hypothesis import strategies as st

from pagecast.featurestore.history.fold import apply_token, begin
from pagecast.featurestore.history.history import History
from pagecast.featurestore.history.packing import pack, unpack
from pagecast.featurestore.offline import OfflineLog
from pagecast.featurestore.prompt.point_in_time import AsOf, AtMoment, AtOffset, histories_as_of
from pagecast.v1 import events_pb2

Event = events_pb2.InteractionEvent


def log_of(root: Path, events: list[Event]) -> OfflineLog:
    log = OfflineLog(root)
    log.append([row_of(event, offset, topic_id=TOPIC) for offset, event in enumerate(events)])
    return log


def taken(log: OfflineLog, prompts: list[AsOf]) -> list[History]:
    """The histories in the order of the prompts; each is copied before the next is taken."""
    copies: dict[int, History] = {}
    for number, history in histories_as_of(log, prompts):
        is_new = not history.next_offset
        copies[number] = History("ada") if is_new else unpack(history.user_id, pack(history))
    return [copies[number] for number in range(len(prompts))]


def click(at_ms: int) -> Event:
    return make_event(at_ms, click=events_pb2.Click(entity_id=f"e{at_ms}"))


@settings(max_examples=25)
@given(events=event_streams(), cuts=st.lists(st.integers(0, 45), max_size=6))
def test_as_of_an_offset_is_the_fold_of_what_was_before_it(
    events: list[Event], cuts: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    log = log_of(tmp_path_factory.mktemp("log"), events)
    prompts: list[AsOf] = [AtOffset("ada", TOPIC, cut) for cut in cuts]
    assert taken(log, prompts) == [fold(events[:cut]) for cut in cuts]


@settings(max_examples=25)
@given(events=event_streams(), cuts=st.lists(st.integers(0, 45), max_size=6))
def test_as_of_a_moment_is_the_fold_of_what_occurred_strictly_earlier(
    events: list[Event], cuts: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Events that came late are in it and events that came early are not, by their own times."""
    log = log_of(tmp_path_factory.mktemp("log"), events)
    moments = [
        events[cut].occurred_at.ToMilliseconds() if cut < len(events) else START_MS + cut
        for cut in cuts
    ]
    expected = []
    for moment in moments:
        history = History("ada")
        for row in log.read():
            if row.token.at_ms < moment:
                begin(history, TOPIC, 0)
                apply_token(history, row.token, row.offset)
        expected.append(history)
    assert taken(log, [AtMoment("ada", TOPIC, moment) for moment in moments]) == expected


def test_an_event_of_the_very_moment_is_not_in_its_history(tmp_path: Path) -> None:
    log = log_of(tmp_path, [click(START_MS), click(START_MS + 1)])
    before, at, after = taken(log, [AtMoment("ada", TOPIC, START_MS + n) for n in range(3)])
    assert [len(history.steps) for history in (before, at, after)] == [0, 1, 2]


def test_strangers_and_other_logs_have_empty_histories(tmp_path: Path) -> None:
    log = log_of(tmp_path, [click(START_MS)])
    prompts = [AtOffset("ada", TOPIC, 1), AtOffset("ben", TOPIC, 1), AtOffset("ada", "other", 1)]
    found = dict(histories_as_of(log, prompts))
    assert [len(found[number].steps) for number in range(3)] == [1, 0, 0]
    assert found[1].user_id == "ben"
    assert list(histories_as_of(log, [])) == []


def test_nothing_after_until_is_known(tmp_path: Path) -> None:
    log = log_of(tmp_path, [click(START_MS), click(START_MS + 1)])
    ((_, history),) = histories_as_of(log, [AtOffset("ada", TOPIC, 9)], until={(TOPIC, 0): 1})
    assert len(history.steps) == 1
