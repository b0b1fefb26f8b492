"""What an incremental run learns from."""

from collections.abc import Mapping

import numpy as np
from factories import play
from hypothesis import given
from hypothesis import strategies as st
from trainer.factories_trainer import logged, replayed

from pagecast.featurestore.history.history import Profile
from pagecast.featurestore.prompt.prompt import Prompt, RequestHalf
from pagecast.trainer.data.slices import draw_replayed, learned_cuts, shown_since
from pagecast.trainer.pages.shown import Shown, ShownPage

COUNTS = st.dictionaries(st.text("abcdef", min_size=1), st.integers(0, 50), max_size=20)


@given(COUNTS, st.integers(1, 200), st.floats(0.0, 0.9), st.integers(0, 5))
def test_replayed_users_are_no_more_than_it_takes(
    old: Mapping[str, int], new: int, share: float, seed: int
) -> None:
    drawn = draw_replayed(old, new, share, (seed,))
    wanted, had = new * share / (1 - share), sum(old[user] for user in drawn)
    assert all(old[user] for user in drawn)
    enough = had >= wanted or had == sum(old.values())
    assert enough
    if drawn:
        assert had - max(old[user] for user in drawn) < wanted, "the last one drawn was needed"


def test_a_run_draws_others_than_the_one_before() -> None:
    old = {f"u{number}": 1 for number in range(100)}
    runs = [draw_replayed(old, 10, 0.5, (0, run)) for run in (0, 1)]
    assert len(runs[0]) == len(runs[1]) == 10
    assert runs[0] != runs[1]
    assert draw_replayed(old, 10, 0.5, (0, 1)) == runs[1]


def test_of_replayed_users_every_request_is_learned_of_others_the_new_ones() -> None:
    events = [play(user, f"e{at}", 1000 * at) for at in range(4) for user in ("a", "b", "c")]
    users = replayed(logged(events), known={("log", 0): 9})
    assert [user.new_N.tolist() for user in users] == [[False] * 3 + [True]] * 3
    cuts = learned_cuts(users, frozenset({"b"}))
    assert [cut.tolist() for cut in cuts] == [[3], [0, 1, 2, 3], [3]]


def test_who_has_nothing_new_and_is_not_replayed_teaches_nothing() -> None:
    users = replayed(logged([play("a", "e1", 0)]), known={("log", 0): 1})
    assert [len(cut) for cut in learned_cuts(users, frozenset())] == [0]
    assert learned_cuts(users, frozenset({"a"}))[0].dtype == np.int64


def test_pages_are_those_asked_for_since_and_of_replayed_users() -> None:
    asked = [("a", 1000), ("a", 1001), ("b", 500)]
    shown = Shown(pages=tuple(page_of(user, at_ms) for user, at_ms in asked), unlike=1, older=2)
    found = shown_since(shown, 1000, frozenset({"b"}))
    assert [(p.user_id, p.prompt.request.at_ms) for p in found.pages] == asked[1:]
    assert (found.unlike, found.older) == (1, 2)


def page_of(user_id: str, at_ms: int) -> ShownPage:
    request = RequestHalf(at_ms=at_ms, device="", country="", language="", surface="")
    prompt = Prompt(profile=Profile(), steps=(), request=request)
    return ShownPage(user_id=user_id, prompt=prompt, rows=(), closed=True)
