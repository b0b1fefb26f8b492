"""The prompt of a cut is the prompt the server built then, byte for byte."""

from factories import START_MS, movie, play, rate
from factories_featurestore import snapshot_of
from hypothesis import given, settings
from hypothesis import strategies as st
from trainer.factories_trainer import HOUR_MS, logged, walk

from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.history.fold import FoldConfig, apply_token, begin
from pagecast.featurestore.history.history import History, Profile
from pagecast.featurestore.offline import LoggedEvent
from pagecast.featurestore.prompt.prompt import RequestHalf, build_prompt
from pagecast.trainer.data.replay import UserSteps, replay
from pagecast.trainer.data.users import prompt_at

SMALL_WINDOW = FoldConfig(steps_max=6, evicted_together=3)


def test_a_play_and_its_rating_are_one_step() -> None:
    user = replay("u1", logged(walk(1, steps=3)))
    assert [step.events for step in user.steps] == [2, 2, 2]
    assert user.cut_N.tolist() == [True, True, True]


def test_steps_of_one_moment_do_not_see_each_other() -> None:
    events = [play("u", "a", START_MS), play("u", "b", START_MS), play("u", "c", START_MS + 1)]
    assert replay("u", logged(events)).cut_N.tolist() == [True, False, True]


def test_a_full_window_drops_its_oldest_steps_but_keeps_them_as_targets() -> None:
    events = [play("u", f"e{i}", START_MS + i * HOUR_MS) for i in range(10)]
    user = replay("u", logged(events), fold=SMALL_WINDOW)
    assert [step.entity_id for step in user.steps] == [f"e{i}" for i in range(10)]
    assert user.first_N.tolist() == [0, 0, 0, 0, 0, 0, 0, 3, 3, 3]


def test_a_late_step_closes_the_cuts_before_and_at_it() -> None:
    events = [
        play("u", "a", START_MS),
        play("u", "c", START_MS + 2000),
        play("u", "d", START_MS + 3000),
        play("u", "b", START_MS + 1000),
        play("u", "e", START_MS + 4000),
    ]
    user = replay("u", logged(events))
    assert [step.entity_id for step in user.steps] == ["a", "b", "c", "d", "e"]
    assert user.cut_N.tolist() == [True, False, False, False, True]


def test_a_step_that_a_later_event_changed_is_not_in_an_earlier_prompt() -> None:
    events = [
        play("u", "a", START_MS),
        play("u", "b", START_MS + 1000),
        rate("u", "a", 5.0, START_MS + 500),
        play("u", "c", START_MS + 2000),
    ]
    user = replay("u", logged(events))
    assert [step.events for step in user.steps] == [2, 1, 1]
    assert user.cut_N.tolist() == [True, False, True]


def test_what_began_at_or_after_the_known_positions_is_new() -> None:
    events = logged(walk(1, steps=4))
    assert replay("u1", events, known={("log", 0): 4}).new_N.tolist() == [False, False, True, True]
    assert not replay("u1", events).new_N.any()
    assert replay("u1", events, known={}).new_N.all()


steps_st = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from(["play", "rate"]),
        st.integers(-2, 40),
    ),
    min_size=1,
    max_size=25,
)


@settings(deadline=None, max_examples=150)
@given(steps_st)
def test_every_cut_is_byte_for_byte_what_the_server_saw(
    drawn: list[tuple[int, str, int]],
) -> None:
    """Events come in any order: steps back in time are late inserts and merges."""
    events, at_ms = [], START_MS
    for number, (entity, kind, minutes) in enumerate(drawn):
        at_ms += minutes * 60_000
        session = f"s{number % 2}"
        events.append(
            play("u", f"e{entity}", at_ms, session_id=session)
            if kind == "play"
            else rate("u", f"e{entity}", 3.0, at_ms, session_id=session)
        )
    rows = logged(_with_ids_of_their_own(events))
    user = replay("u", rows, fold=SMALL_WINDOW)
    catalog = snapshot_of(movie("e0", "Drama"), movie("e1", "Comedy"))
    served = _served_prompts(rows, user, catalog)
    for cut in user.cut_N.nonzero()[0].tolist():
        assert prompt_at(user, cut, catalog).sha256() in served


def _with_ids_of_their_own(events: list) -> list:  # type: ignore[type-arg]
    for number, event in enumerate(events):
        event.event_id = f"{number:08x}-0000-7000-8000-000000000000"
    return events


def _served_prompts(rows: list[LoggedEvent], user: UserSteps, catalog: CatalogSnapshot) -> set[str]:
    """What a server would have built before each event, for a request at each step's moment."""
    history = History("u")
    begin(history, "log", 0)
    served = set()
    for row in rows:
        for step in user.steps:
            request = RequestHalf(
                at_ms=step.occurred_at_ms,
                device=step.device,
                country=step.country,
                language=step.language,
                surface=step.surface,
            )
            if not history.steps or history.steps[-1].occurred_at_ms < step.occurred_at_ms:
                served.add(build_prompt(history, Profile(), request, catalog=catalog).sha256())
        apply_token(history, row.token, row.offset, SMALL_WINDOW)
    return served
