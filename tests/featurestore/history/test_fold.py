from typing import Any

import pytest
from factories import START_MS, play, rate
from factories_featurestore import (
    MINUTE_MS,
    Event,
    event_streams,
    fold,
    make_event,
    stop,
    version,
)
from hypothesis import given
from hypothesis import strategies as st

from pagecast.featurestore.history.fold import (
    CONTEXTS_MAX,
    LATENESS_MS,
    FoldConfig,
    LogChanged,
    apply_event,
    apply_token,
    begin,
)
from pagecast.featurestore.history.history import (
    ENTITY_SET_MAX,
    HASH_BYTES,
    RECENT_EVENTS_MAX,
    STEPS_MAX,
    STOPS_MAX,
    TOTALS_MAX,
    Action,
    History,
    Total,
)
from pagecast.featurestore.history.packing import pack, unpack
from pagecast.featurestore.history.steps import Step
from pagecast.featurestore.history.tokens import step_of, token_of
from pagecast.v1 import events_pb2


def entities_of(history: History) -> list[str]:
    return [step.entity_id for step in history.steps]


def test_an_event_becomes_a_step_with_both_halves() -> None:
    history = fold(
        [
            make_event(
                click=events_pb2.Click(entity_id="e1", placement=events_pb2.Placement(row_id="top"))
            )
        ]
    )
    (step,) = history.steps
    assert (step.occurred_at_ms, step.action, step.entity_id) == (START_MS, Action.CLICK, "e1")
    assert (step.row_id, step.device, step.country) == ("top", "tv", "NL")
    assert (step.language, step.surface, step.session_id) == ("nl", "home", "s1")
    assert history.version == version(1)


def test_a_played_and_rated_entity_is_one_step_with_the_rating() -> None:
    (step,) = fold([play("ada", "e1"), rate("ada", "e1", 4.5)]).steps
    assert (step.action, step.rating, step.events) == (Action.RATE, 4.5, 2)


def test_ratings_are_kept_in_halves() -> None:
    (step,) = fold([rate("ada", "e1", 3.7)]).steps
    assert step.rating == 3.5


def test_a_paused_and_resumed_play_is_one_step_with_the_summed_duration() -> None:
    hour = 60 * MINUTE_MS
    (step,) = fold(
        [
            play("ada", "e1", START_MS),
            stop("e1", hour, START_MS + hour, resume_ms=hour),
            play("ada", "e1", START_MS + hour + 20 * MINUTE_MS),
            stop("e1", hour, START_MS + 2 * hour + 20 * MINUTE_MS, completed=True),
        ]
    ).steps
    assert step.occurred_at_ms == START_MS
    assert (step.action, step.watched_ms, step.events) == (Action.COMPLETE, 2 * hour, 4)


def test_a_stopped_trailer_stays_a_trailer() -> None:
    trailer = events_pb2.Play(entity_id="e1", kind=events_pb2.PLAY_KIND_TRAILER)
    (step,) = fold([make_event(play=trailer), stop("e1", 9_000, START_MS + 9_000)]).steps
    assert (step.action, step.watched_ms) == (Action.PLAY_TRAILER, 9_000)


def test_a_stop_without_its_play_is_a_step() -> None:
    (step,) = fold([stop("e1", 5_000, START_MS)]).steps
    assert (step.action, step.watched_ms) == (Action.PLAY_FEATURE, 5_000)


@pytest.mark.parametrize(
    "second",
    [
        pytest.param(play("ada", "e2", START_MS + 1), id="another entity"),
        pytest.param(play("ada", "e1", START_MS + 1, session_id="s2"), id="another session"),
        pytest.param(play("ada", "e1", START_MS + 31 * MINUTE_MS), id="a long pause"),
        pytest.param(make_event(hide=events_pb2.Hide(entity_id="e1")), id="hide"),
        pytest.param(make_event(add_to_list=events_pb2.AddToList(entity_id="e1")), id="list"),
        pytest.param(make_event(search=events_pb2.Search(query="q", entity_id="e1")), id="search"),
    ],
)
def test_what_does_not_merge(second: Event) -> None:
    assert len(fold([play("ada", "e1"), second]).steps) == 2


def test_an_impression_makes_no_step_but_moves_the_version() -> None:
    seen = events_pb2.Impression(rows=[events_pb2.SeenRow(row_id="r", entity_ids=["e1"])])
    history = fold([make_event(impression=seen)])
    assert (history.steps, history.version) == ([], version(1))
    assert len(history.recent_event_hashes) == HASH_BYTES


def test_a_late_event_is_inserted_where_its_time_says() -> None:
    first, second, late = play("ada", "e1"), play("ada", "e2", START_MS + 9), None
    late = play("ada", "e3", START_MS + 5)
    assert entities_of(fold([first, second, late])) == ["e1", "e3", "e2"]


def test_ties_keep_the_order_of_arrival() -> None:
    events = [play("ada", f"e{n}") for n in range(4)]
    assert entities_of(fold(events)) == ["e0", "e1", "e2", "e3"]


def test_a_late_event_merges_with_the_step_it_precedes() -> None:
    history = fold(
        [
            play("ada", "e1", START_MS + 5),
            make_event(START_MS, view_details=events_pb2.ViewDetails(entity_id="e1")),
        ]
    )
    (step,) = history.steps
    assert (step.occurred_at_ms, step.action) == (START_MS, Action.PLAY_FEATURE)


def test_an_event_beyond_the_lateness_makes_no_step_but_moves_the_version() -> None:
    history = fold([play("ada", "e1")])
    too_late = play("ada", "e2", START_MS - LATENESS_MS - 1)
    assert apply_event(history, too_late, version(2))
    assert (entities_of(history), history.version) == (["e1"], version(2))


def test_a_retry_at_a_new_offset_changes_nothing() -> None:
    history = fold([play("ada", "e1")])
    assert not apply_event(history, play("ada", "e1"), version(2))
    assert (len(history.steps), history.version) == (1, version(1))


def test_a_retry_is_known_for_the_last_512_events() -> None:
    events = [play("ada", f"e{n}", START_MS + n) for n in range(RECENT_EVENTS_MAX)]
    history = fold(events)
    assert not apply_event(history, events[0], version(RECENT_EVENTS_MAX + 1))


def test_another_topic_id_is_the_callers_decision() -> None:
    history = fold([play("ada", "e1")])
    with pytest.raises(LogChanged, match="rebuild"):
        apply_event(history, play("ada", "e2"), version(1, topic_id="made anew"))


def test_a_full_window_drops_its_oldest_128_steps_together() -> None:
    history = fold([play("ada", f"e{n}", START_MS + n) for n in range(STEPS_MAX + 1)])
    assert len(history.steps) == STEPS_MAX + 1 - 128
    assert (history.steps_dropped, history.steps[0].entity_id) == (128, "e128")


def test_exact_sets_follow_hide_list_and_stop() -> None:
    hour = 60 * MINUTE_MS
    history = fold(
        [
            make_event(hide=events_pb2.Hide(entity_id="bad")),
            make_event(START_MS + 1, add_to_list=events_pb2.AddToList(entity_id="a")),
            make_event(START_MS + 2, add_to_list=events_pb2.AddToList(entity_id="b")),
            make_event(START_MS + 3, add_to_list=events_pb2.AddToList(entity_id="a", removed=True)),
            stop("half", hour, START_MS + 4, resume_ms=hour),
            stop("done", hour, START_MS + 5, resume_ms=hour),
            stop("done", hour, START_MS + 6, completed=True),
            stop("left", hour, START_MS + 7, resume_ms=hour),
            stop("left", 1, START_MS + 8, resume_ms=0),
        ]
    )
    assert list(history.hidden) == ["bad"]
    assert list(history.listed) == ["b"]
    assert list(history.completed) == ["done"]
    assert history.resume_ms == {"half": hour}


def test_a_late_list_change_does_not_undo_a_newer_one() -> None:
    history = fold(
        [
            make_event(START_MS + 9, add_to_list=events_pb2.AddToList(entity_id="a", removed=True)),
            make_event(START_MS, add_to_list=events_pb2.AddToList(entity_id="a")),
        ]
    )
    assert not history.listed


def test_a_late_stop_does_not_move_a_newer_resume_position() -> None:
    history = fold(
        [
            stop("a", 2_000, START_MS + 9_000, resume_ms=2_000),
            stop("a", 1_000, START_MS, resume_ms=1_000),
        ]
    )
    assert history.resume_ms == {"a": 2_000}


@pytest.mark.parametrize("merged", [True, False])
def test_nor_does_one_that_is_late_within_the_play_that_was_stopped(*, merged: bool) -> None:
    """A step has the time of its play: what became of it later is not told by that."""
    pause_ms = MINUTE_MS if merged else 40 * MINUTE_MS
    resumed_ms = START_MS + 10 * MINUTE_MS + pause_ms
    ended_ms = resumed_ms + 20 * MINUTE_MS
    history = fold(
        [
            play("ada", "a", START_MS),
            play("ada", "a", resumed_ms),
            stop("a", 20 * MINUTE_MS, ended_ms, resume_ms=30 * MINUTE_MS),
            stop("a", 10 * MINUTE_MS, START_MS + 10 * MINUTE_MS, resume_ms=10 * MINUTE_MS),
        ]
    )
    assert history.resume_ms == {"a": 30 * MINUTE_MS}
    assert len(history.steps) == (1 if merged else 2)


def test_a_late_stop_does_not_put_back_what_was_watched_to_its_end() -> None:
    hour = 60 * MINUTE_MS
    history = fold(
        [
            play("ada", "a", START_MS),
            stop("a", hour, START_MS + hour, completed=True),
            stop("a", MINUTE_MS, START_MS + MINUTE_MS, resume_ms=MINUTE_MS),
        ]
    )
    assert (history.resume_ms, list(history.completed)) == ({}, ["a"])
    again_ms = START_MS + 2 * hour
    fold([stop("a", MINUTE_MS, again_ms, resume_ms=5)], history, first_offset=3)
    assert history.resume_ms == {"a": 5}, "it is watched again"


def test_a_stop_that_says_no_position_makes_none_late() -> None:
    history = fold(
        [
            stop("a", 2_000, START_MS + 9_000),
            stop("a", 1_000, START_MS, resume_ms=1_000),
        ]
    )
    assert history.resume_ms == {"a": 1_000}


def test_of_many_stops_the_newest_are_known() -> None:
    history = fold([stop(f"e{n}", 1, START_MS + n, resume_ms=5) for n in range(STOPS_MAX + 1)])
    assert next(iter(history.stopped_ms.items())) == ("e1", START_MS + 1)
    assert len(history.stopped_ms) == STOPS_MAX


def test_an_exact_set_forgets_its_oldest_beyond_the_bound() -> None:
    history = fold(
        [
            make_event(START_MS + n, hide=events_pb2.Hide(entity_id=f"e{n}"))
            for n in range(ENTITY_SET_MAX + 1)
        ]
    )
    assert len(history.hidden) == ENTITY_SET_MAX
    assert "e0" not in history.hidden


@pytest.mark.parametrize(
    "wrong",
    [
        {"evicted_together": 0},
        {"evicted_together": 9, "steps_max": 8},
        {"steps_max": STEPS_MAX + 1},
        {"lateness_ms": -1},
        {"merge_gap_ms": {Action.RATE: -2}},
    ],
)
def test_a_config_that_cannot_work_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        FoldConfig(**wrong)


@given(events=event_streams())
def test_the_fold_is_deterministic(events: list[Event]) -> None:
    assert fold(events) == fold(events)


@given(events=event_streams(), data=st.data())
def test_applying_any_prefix_twice_changes_nothing(
    events: list[Event], data: st.DataObject
) -> None:
    replayed = data.draw(st.integers(0, len(events)))
    history = fold(events)
    again = fold(events[:replayed], fold(events))
    assert again == history


@given(events=event_streams(), data=st.data())
def test_a_crash_between_any_two_events_changes_nothing(
    events: list[Event], data: st.DataObject
) -> None:
    applied = data.draw(st.integers(0, len(events)))
    committed = data.draw(st.integers(0, applied))
    before = fold(events[:applied])
    after = fold(events[committed:], before, first_offset=committed)
    assert after == fold(events)


@given(events=event_streams())
def test_steps_are_in_order_of_time_and_within_the_window(events: list[Event]) -> None:
    history = fold(events, config=FoldConfig(steps_max=8, evicted_together=3))
    times = [step.occurred_at_ms for step in history.steps]
    assert times == sorted(times)
    assert len(times) <= 8


@given(events=event_streams())
def test_no_event_within_the_lateness_is_lost(events: list[Event]) -> None:
    history, expected = History("ada"), 0
    begin(history, "topic", 0)
    for offset, event in enumerate(events):
        effect = apply_token(history, token_of(event), offset)
        expected += effect is not None and effect.position >= 0
    assert sum(step.events for step in history.steps) == expected


@given(events=event_streams())
def test_an_effect_says_where_a_step_was_put_or_changed(events: list[Event]) -> None:
    config = FoldConfig(steps_max=8, evicted_together=3)
    history = History("ada")
    begin(history, "topic", 0)
    followed: list[Step] = []
    for offset, event in enumerate(events):
        token = token_of(event)
        before = history.steps_dropped
        effect = apply_token(history, token, offset, config)
        if effect is None or effect.position < 0:
            assert history.steps_dropped == before
            continue
        assert history.steps_dropped == before + effect.evicted
        if effect.inserted:
            followed.insert(before + effect.position, step_of(token))
        else:
            followed[before + effect.position] = history.steps[effect.position]
        assert followed[history.steps_dropped :] == history.steps


@given(events=event_streams(events_max=60), data=st.data())
def test_packing_anywhere_changes_no_byte(events: list[Event], data: st.DataObject) -> None:
    """Whether a worker holds a history or reads it again must not show in what it writes."""
    config = FoldConfig(steps_max=8, evicted_together=3)
    held = fold(events, config=config)
    history = fold(events[:1], config=config)
    for offset, event in enumerate(events[1:], start=1):
        if data.draw(st.booleans()):
            history = unpack("ada", pack(history))
        fold([event], history, first_offset=offset, config=config)
    if events:
        assert pack(history) == pack(held)


def test_what_leaves_the_window_is_summed_by_entity_and_row() -> None:
    config = FoldConfig(steps_max=4, evicted_together=3)
    placement = events_pb2.Placement(row_id="top")
    events = [
        make_event(START_MS, click=events_pb2.Click(entity_id="a", placement=placement)),
        stop("b", 5_000, START_MS + 1),
        make_event(START_MS + 2, hide=events_pb2.Hide(entity_id="a")),
        play("ada", "c", START_MS + 3),
        play("ada", "d", START_MS + 4),
    ]
    history = fold(events, config=config)
    assert history.entity_totals == {
        "b": Total(1, 5_000, START_MS + 1),
        "a": Total(2, 0, START_MS + 2),
    }
    assert history.row_totals == {"top": Total(1, 0, START_MS), "": Total(2, 5_000, START_MS + 2)}


@given(events=event_streams(events_max=60))
def test_window_and_totals_hold_every_step(events: list[Event]) -> None:
    history = fold(events, config=FoldConfig(steps_max=4, evicted_together=2))
    for totals in (history.entity_totals, history.row_totals):
        assert sum(total.steps for total in totals.values()) == history.steps_dropped


def test_totals_beyond_the_bound_are_one_sum() -> None:
    config = FoldConfig(steps_max=1, evicted_together=1)
    events = [play("ada", f"e{n}", START_MS + n * MINUTE_MS) for n in range(TOTALS_MAX + 10)]
    totals = fold(events, config=config).entity_totals
    assert len(totals) == TOTALS_MAX + 1
    assert totals[""].steps == 9
    assert "e0" not in totals
    assert f"e{TOTALS_MAX + 8}" in totals


def test_names_that_are_not_in_use_leave_with_the_steps() -> None:
    config = FoldConfig(steps_max=8, evicted_together=8)
    events = [
        play("ada", "e", START_MS + n * 60 * MINUTE_MS, session_id=f"s{n}") for n in range(100)
    ]
    history = fold(events, config=config)
    assert len(history.strings) < 16
    assert len(history.steps.contexts) <= 9


def test_contexts_that_merges_bring_are_bounded() -> None:
    """Every event precedes the one step, and merges into it with a context of its own."""
    history = History("ada")
    begin(history, "topic", 0)
    for n in range(CONTEXTS_MAX + 2):
        token = token_of(play("ada", "e", START_MS - n))
        context = token.context._replace(language=f"l{n}")
        apply_token(history, token._replace(context=context, event_id=str(n)), n)
    assert len(history.steps) == 1
    assert len(history.steps.contexts) < 10


def test_an_action_merges_only_within_its_own_gap() -> None:
    gaps = {Action.PLAY_FEATURE: 10 * MINUTE_MS, Action.RATE: 60 * MINUTE_MS}
    config = FoldConfig(merge_gap_ms=gaps)
    events = [
        play("ada", "e", START_MS),
        play("ada", "e", START_MS + 9 * MINUTE_MS),
        rate("ada", "e", 4.0, START_MS + 20 * MINUTE_MS),
        rate("ada", "e", 3.0, START_MS + 79 * MINUTE_MS),
    ]
    assert [step.events for step in fold(events, config=config).steps] == [2, 2]


def test_an_action_without_a_gap_never_merges() -> None:
    config = FoldConfig(merge_gap_ms={})
    assert len(fold([play("ada", "e"), rate("ada", "e")], config=config).steps) == 2


def test_a_fingerprint_tells_configurations_apart() -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"steps_max": 256},
        {"evicted_together": 64},
        {"lateness_ms": 1},
        {"merge_gap_ms": {Action.RATE: 1}},
    ]
    prints = [FoldConfig(**change).fingerprint for change in changes]
    assert len(set(prints)) == len(changes)
    assert FoldConfig().fingerprint == prints[0]


def test_a_packed_history_of_the_same_events_is_the_same_bytes() -> None:
    events = [play("ada", f"e{n}", START_MS + n) for n in range(20)]
    assert pack(fold(events)) == pack(fold(events))
