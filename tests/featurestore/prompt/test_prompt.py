from dataclasses import replace

import pytest
from factories import START_MS, movie, play
from factories_featurestore import fold, prompts, snapshot_of
from hypothesis import given

from pagecast.featurestore.catalog.catalog import EMPTY
from pagecast.featurestore.history.history import Action, Profile, Step, Total
from pagecast.featurestore.history.summary import Summary
from pagecast.featurestore.prompt.context import ContextConfig, Injected
from pagecast.featurestore.prompt.prompt import Prompt, RequestHalf, build_prompt

STEP = Step(
    occurred_at_ms=START_MS,
    action=Action.RATE,
    entity_id="e",
    row_id="r",
    watched_ms=60_000,
    rating=4.5,
    events=2,
    device="tv",
    country="NL",
    language="nl",
    surface="home",
    session_id="s",
)
PROFILE = Profile(language="nl", profile_type=1, maturity_limit=12)
REQUEST = RequestHalf(at_ms=START_MS + 1, device="tv", country="NL", language="nl", surface="home")
PROMPT = Prompt(profile=PROFILE, steps=(STEP,), request=REQUEST)


def test_a_stranger_has_a_prompt_of_profile_and_request() -> None:
    prompt = build_prompt(None, Profile(), REQUEST, catalog=EMPTY)
    assert prompt == Prompt(profile=Profile(), steps=(), request=REQUEST)
    assert len(prompt.sha256()) == 64


def test_a_prompt_names_what_is_new_when_it_is_asked_for() -> None:
    catalog = snapshot_of(movie("new", released_ms=START_MS), movie("old", released_ms=0))
    for history in (None, fold([play("ada", "e")])):
        prompt = build_prompt(history, PROFILE, REQUEST, catalog=catalog, context=ContextConfig())
        assert prompt.injected == Injected(new=("new",))
        told_nothing = build_prompt(history, PROFILE, REQUEST, catalog=catalog)
        assert told_nothing == replace(prompt, injected=Injected())


def test_a_prompt_that_names_nothing_has_the_bytes_it_always_had() -> None:
    """Pages that were served before prompts named entities are still proven."""
    known = "212158ad1fdc16e1a64ff0dc8acfff8658c11cd888cffae0ed7d85bdea0bde4d"
    assert PROMPT.sha256() == known


def test_the_newest_steps_are_kept_oldest_first() -> None:
    history = fold([play("ada", f"e{n}", START_MS + n) for n in range(5)])
    prompt = build_prompt(history, PROFILE, REQUEST, catalog=EMPTY, steps_max=2)
    assert [step.entity_id for step in prompt.steps] == ["e3", "e4"]
    assert build_prompt(history, PROFILE, REQUEST, catalog=EMPTY, steps_max=0).steps == ()
    assert len(build_prompt(history, PROFILE, REQUEST, catalog=EMPTY).steps) == 5


def test_a_prompt_does_not_change_when_the_history_grows() -> None:
    history = fold([play("ada", "e1")])
    prompt = build_prompt(history, PROFILE, REQUEST, catalog=EMPTY)
    before = prompt.to_bytes()
    fold([play("ada", "e2", START_MS + 1)], history, first_offset=1)
    assert prompt.to_bytes() == before


@given(one=prompts(), other=prompts())
def test_equal_bytes_mean_equal_prompts(one: Prompt, other: Prompt) -> None:
    assert (one.to_bytes() == other.to_bytes()) == (one == other)
    assert (one.sha256() == other.sha256()) == (one == other)


@pytest.mark.parametrize(
    "change",
    [
        {"occurred_at_ms": START_MS - 1},
        {"action": Action.PLAY_FEATURE},
        {"entity_id": ""},
        {"row_id": "q"},
        {"watched_ms": 0},
        {"rating": None},
        {"rating": 0.0},
        {"events": 1},
        {"device": "web"},
        {"country": ""},
        {"language": "en"},
        {"surface": "search"},
    ],
)
def test_every_field_of_a_step_counts(change: dict[str, object]) -> None:
    other = replace(PROMPT, steps=(replace(STEP, **change),))
    assert other.to_bytes() != PROMPT.to_bytes()


@pytest.mark.parametrize(
    "change",
    [
        {"profile": replace(PROFILE, language="")},
        {"profile": replace(PROFILE, profile_type=2)},
        {"profile": replace(PROFILE, maturity_limit=None)},
        {"profile": replace(PROFILE, maturity_limit=0)},
        {"request": replace(REQUEST, at_ms=START_MS + 2)},
        {"request": replace(REQUEST, device="")},
        {"request": replace(REQUEST, country="BE")},
        {"request": replace(REQUEST, language="fr")},
        {"request": replace(REQUEST, surface="")},
        {"summary": Summary(genres=(("Drama", Total(1, 2, 3)),))},
        {"summary": Summary(kinds=(("Drama", Total(1, 2, 3)),))},
        {"summary": Summary(rows=(("Drama", Total(1, 2, 3)),))},
        {"injected": Injected(new=("e",))},
        {"injected": Injected(live=("e",))},
        {"steps": ()},
        {"steps": (STEP, STEP)},
    ],
)
def test_every_field_of_profile_and_request_counts(change: dict[str, object]) -> None:
    assert replace(PROMPT, **change).to_bytes() != PROMPT.to_bytes()


def test_what_the_model_is_not_told_does_not_count() -> None:
    other = replace(
        PROMPT,
        steps=(replace(STEP, session_id="another"),),
        profile=replace(PROFILE, occurred_at_ms=START_MS),
    )
    assert other.sha256() == PROMPT.sha256()
