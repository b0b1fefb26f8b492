from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from factories import START_MS
from factories_featurestore import prompts
from factories_vocabulary import VOCABULARY
from hypothesis import given
from hypothesis import strategies as st

from pagecast.featurestore.history.history import Action, Profile, Step
from pagecast.featurestore.history.steps import EVENTS_MAX
from pagecast.featurestore.prompt.encoding import EncodedPrompt, encode_prompt
from pagecast.featurestore.prompt.prompt import Prompt, RequestHalf
from pagecast.featurestore.prompt.vocabulary import FIELDS, SEGMENT_PROFILE, SEGMENT_STEP

SECOND_MS, MINUTE_MS, HOUR_MS, DAY_MS = 1_000, 60_000, 3_600_000, 86_400_000


def column(encoded: EncodedPrompt, field: str) -> list[int]:
    values: list[int] = encoded.fields_TF[:, FIELDS.index(field)].tolist()
    return values


def encode(
    *steps: Step, at_ms: int = START_MS, profile: Profile | None = None, device: str = ""
) -> EncodedPrompt:
    prompt = Prompt(
        profile=profile or Profile(),
        steps=steps,
        request=RequestHalf(at_ms=at_ms, device=device),
    )
    return encode_prompt(prompt, VOCABULARY)


def step(at_ms: int = START_MS, **fields: object) -> Step:
    return Step(occurred_at_ms=at_ms, **{"action": Action.CLICK} | fields)


def test_a_position_joins_a_request_half_with_the_action_before_it() -> None:
    encoded = encode(
        step(device="a", action=Action.CLICK, entity_id="x", row_id="a"),
        step(device="b", action=Action.RATE, entity_id="y", row_id="b", rating=5.0),
        device="a",
    )
    assert column(encoded, "segment") == [SEGMENT_PROFILE] + [SEGMENT_STEP] * 3
    assert column(encoded, "device") == [0, 1, 2, 1]
    assert column(encoded, "action") == [0, 0, Action.CLICK, Action.RATE]
    assert column(encoded, "row") == [0, 0, 1, 2]
    assert column(encoded, "rating") == [0, 0, 0, 11]
    assert encoded.entity_ids == ("", "", "x", "y")


def test_a_stranger_has_a_profile_and_a_request() -> None:
    encoded = encode(device="b")
    assert encoded.entity_ids == ("", "")
    assert column(encoded, "segment") == [SEGMENT_PROFILE, SEGMENT_STEP]
    assert (column(encoded, "device"), column(encoded, "gap")) == ([0, 2], [0, 0])


def test_the_profile_has_its_own_position() -> None:
    encoded = encode(profile=Profile(language="b", profile_type=3, maturity_limit=12))
    assert column(encoded, "profile_language") == [2, 0]
    assert column(encoded, "profile_type") == [3, 0]
    assert column(encoded, "maturity_limit") == [13, 0]
    assert column(encode(profile=Profile(maturity_limit=0)), "maturity_limit") == [1, 0]
    assert column(encode(profile=Profile()), "maturity_limit") == [0, 0]


@pytest.mark.parametrize(
    ("gap_ms", "bucket"),
    [
        (0, 1),
        (999, 1),
        (SECOND_MS, 2),
        (3 * SECOND_MS, 3),
        (HOUR_MS, 12),
        (DAY_MS, 17),
        (10**14, 31),
        (-HOUR_MS, 1),
    ],
)
def test_gaps_are_powers_of_two_of_seconds(gap_ms: int, bucket: int) -> None:
    encoded = encode(step(START_MS), at_ms=START_MS + gap_ms)
    assert column(encoded, "gap") == [0, 0, bucket]


@pytest.mark.parametrize(
    ("watched_ms", "bucket"),
    [(0, 0), (1, 1), (MINUTE_MS, 2), (3 * MINUTE_MS, 3), (2 * HOUR_MS, 7), (10**13, 15)],
)
def test_watched_durations_are_powers_of_two_of_minutes(watched_ms: int, bucket: int) -> None:
    assert column(encode(step(watched_ms=watched_ms)), "watched") == [0, 0, bucket]


@pytest.mark.parametrize(("events", "bucket"), [(1, 1), (2, 2), (4, 3), (EVENTS_MAX, 16)])
def test_merged_events_are_counted_in_powers_of_two(events: int, bucket: int) -> None:
    assert column(encode(step(events=events)), "events") == [0, 0, bucket]


@pytest.mark.parametrize(("rating", "bucket"), [(None, 0), (0.0, 1), (2.5, 6), (5.0, 11)])
def test_ratings_are_halves(rating: float | None, bucket: int) -> None:
    assert column(encode(step(rating=rating)), "rating") == [0, 0, bucket]


@pytest.mark.parametrize(
    ("moment", "hour_of_week", "season"),
    [
        (datetime(2026, 1, 5, 0, tzinfo=UTC), 1, 1),  # a Monday
        (datetime(2026, 1, 5, 0, 59, 59, tzinfo=UTC), 1, 1),
        (datetime(2026, 2, 28, 12, tzinfo=UTC), 1 + 5 * 24 + 12, 1),
        (datetime(2026, 3, 1, 23, tzinfo=UTC), 168, 2),  # a Sunday
        (datetime(2026, 7, 6, 1, tzinfo=UTC), 2, 3),
        (datetime(2026, 11, 30, 0, tzinfo=UTC), 1, 4),
        (datetime(2026, 12, 1, 0, tzinfo=UTC), 25, 1),
    ],
)
def test_time_is_an_hour_of_the_week_and_a_season(
    moment: datetime, hour_of_week: int, season: int
) -> None:
    encoded = encode(at_ms=int(moment.timestamp() * 1000))
    assert column(encoded, "hour_of_week") == [0, hour_of_week]
    assert column(encoded, "season") == [0, season]


@given(prompt=prompts())
def test_every_field_is_within_its_size(prompt: Prompt) -> None:
    encoded = encode_prompt(prompt, VOCABULARY)
    sizes = np.array(VOCABULARY.field_sizes())
    assert encoded.fields_TF.shape == (len(prompt.steps) + 2, len(FIELDS))
    assert (encoded.fields_TF >= 0).all()
    assert (encoded.fields_TF < sizes).all()


@given(prompt=prompts(), data=st.data())
def test_a_new_step_leaves_the_encoded_prefix_as_it_was(
    prompt: Prompt, data: st.DataObject
) -> None:
    grown = data.draw(prompts(steps_max=6).filter(lambda p: len(p.steps) > 0))
    longer = replace(prompt, steps=(*prompt.steps, grown.steps[-1]), request=grown.request)
    before = encode_prompt(prompt, VOCABULARY)
    after = encode_prompt(longer, VOCABULARY)
    cached = len(prompt.steps) + 1
    assert (after.fields_TF[:cached] == before.fields_TF[:cached]).all()
    assert after.entity_ids[:cached] == before.entity_ids[:cached]


@given(prompt=prompts())
def test_the_request_is_encoded_as_the_next_step_would_be(prompt: Prompt) -> None:
    request = prompt.request
    following = Step(
        occurred_at_ms=request.at_ms,
        action=Action.CLICK,
        device=request.device,
        country=request.country,
        language=request.language,
        surface=request.surface,
    )
    asked = encode_prompt(prompt, VOCABULARY)
    happened = encode_prompt(replace(prompt, steps=(*prompt.steps, following)), VOCABULARY)
    assert (happened.fields_TF[:-1] == asked.fields_TF).all()
    assert happened.entity_ids[:-1] == asked.entity_ids


@given(prompt=prompts())
def test_the_prefix_says_nothing_of_the_request(prompt: Prompt) -> None:
    other = replace(prompt, request=RequestHalf(at_ms=START_MS + 10**11, device="b"))
    one, another = encode_prompt(prompt, VOCABULARY), encode_prompt(other, VOCABULARY)
    assert one.prefix == another.prefix == len(prompt.steps) + 1
    assert (one.fields_TF[: one.prefix] == another.fields_TF[: one.prefix]).all()
