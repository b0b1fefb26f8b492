from dataclasses import replace

from factories import START_MS
from factories_featurestore import Event, event_streams, fold, prompts, version
from factories_vocabulary import VOCABULARY
from hypothesis import given
from hypothesis import strategies as st

from pagecast.featurestore.catalog.catalog import EMPTY
from pagecast.featurestore.history.fold import FoldConfig, apply_event
from pagecast.featurestore.history.history import Action, Profile, Step
from pagecast.featurestore.history.step_columns import StepColumns
from pagecast.featurestore.history.steps import EVENTS_MAX, WATCHED_MS_MAX
from pagecast.featurestore.prompt.encoding import encode_prompt
from pagecast.featurestore.prompt.prompt import Prompt, RequestHalf, build_prompt

SMALL_WINDOW = FoldConfig(steps_max=8, evicted_together=3)


@given(prompt=prompts())
def test_columns_hold_what_steps_say(prompt: Prompt) -> None:
    assert list(StepColumns.of(prompt.steps)) == list(prompt.steps)


def test_sums_end_where_the_fold_ends_them() -> None:
    step = Step(occurred_at_ms=1, action=Action.CLICK, watched_ms=10**13, events=10**6)
    (held,) = StepColumns.of([step])
    assert held == replace(step, watched_ms=WATCHED_MS_MAX, events=EVENTS_MAX)


@given(before=event_streams(), after=event_streams(), most=st.integers(0, 10))
def test_a_prompt_stays_what_it_was_while_its_history_goes_on(
    before: list[Event], after: list[Event], most: int
) -> None:
    """A history drops steps and makes its table of names anew; a prompt shares it until then."""
    history = fold(before, config=SMALL_WINDOW)
    newest = history.steps.newest(most)
    remembered = list(newest)
    for offset, event in enumerate(after, start=len(before) + 1):
        apply_event(history, event, version(offset), SMALL_WINDOW)
    assert list(newest) == remembered


@given(events=event_streams(), most=st.integers(0, 10))
def test_a_prompt_of_columns_is_encoded_and_digested_as_one_of_steps(
    events: list[Event], most: int
) -> None:
    request = RequestHalf(at_ms=START_MS + 10**9, device="a", country="b")
    served = build_prompt(fold(events), Profile(), request, catalog=EMPTY, steps_max=most)
    of_steps = replace(served, steps=tuple(served.steps))
    assert served == of_steps
    assert served.sha256() == of_steps.sha256()
    encoded, expected = encode_prompt(served, VOCABULARY), encode_prompt(of_steps, VOCABULARY)
    assert (encoded.fields_TF == expected.fields_TF).all()
    assert encoded.entity_ids == expected.entity_ids
