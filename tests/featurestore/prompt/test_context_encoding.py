from dataclasses import replace

import numpy as np
from factories import START_MS

from pagecast.featurestore.history.history import Action, Profile, Step, Total
from pagecast.featurestore.history.summary import NOTHING, Summary
from pagecast.featurestore.prompt.context import ContextConfig, Injected
from pagecast.featurestore.prompt.context_encoding import EncodedContext, encode_context
from pagecast.featurestore.prompt.encoding import encode_prompt
from pagecast.featurestore.prompt.prompt import Prompt, RequestHalf
from pagecast.featurestore.prompt.vocabulary import (
    FIELDS,
    SEGMENT_LIVE,
    SEGMENT_NEW,
    SEGMENT_SUMMARY,
    Vocabulary,
)
from pagecast.v1 import catalog_pb2

HOUR_MS = 3_600_000

VOCABULARY = Vocabulary(
    entities=("a",),
    entity_interactions=(1,),
    rows=("top", "popular"),
    genres=("Comedy", "Drama", "Noir"),
    context=ContextConfig(summaries_max=2),
)

SUMMARY = Summary(
    genres=(
        ("", Total(100, 0, START_MS)),
        ("Comedy", Total(3, 0, START_MS)),
        ("Drama", Total(3, 60_000, START_MS - HOUR_MS)),
        ("Noir", Total(1, 0, START_MS)),
        ("Western", Total(9, 0, START_MS)),
    ),
    kinds=(("game", Total(4, 0, START_MS)),),
    rows=(("popular", Total(2, 0, START_MS)),),
)


def column(encoded: EncodedContext, field: str) -> list[int]:
    values: list[int] = encoded.fields_CF[:, FIELDS.index(field)].tolist()
    return values


def test_the_strongest_of_each_sort_are_told_by_steps_then_by_name() -> None:
    encoded = encode_context(SUMMARY, Injected(), START_MS, VOCABULARY)
    assert encoded.entity_ids == ("",) * 4
    assert column(encoded, "segment") == [SEGMENT_SUMMARY] * 4
    assert column(encoded, "genre") == [0, 1, 0, 0], "Western is not in the vocabulary"
    assert column(encoded, "kind") == [0, 0, catalog_pb2.ENTITY_KIND_GAME, 0]
    assert column(encoded, "row") == [0, 0, 0, 2]
    assert column(encoded, "events") == [4, 2, 3, 2]


def test_a_summary_tells_time_watched_and_time_gone_by() -> None:
    drama = replace(SUMMARY, genres=SUMMARY.genres[2:3], kinds=(), rows=())
    encoded = encode_context(drama, Injected(), START_MS, VOCABULARY)
    assert (column(encoded, "watched"), column(encoded, "gap")) == ([2], [12])
    later = encode_context(drama, Injected(), START_MS + HOUR_MS, VOCABULARY)
    assert column(later, "gap") == [13]


def test_injected_entities_stand_behind_the_summary() -> None:
    injected = Injected(new=("n", "o"), live=("l",))
    summary = replace(SUMMARY, genres=(), rows=())
    encoded = encode_context(summary, injected, START_MS, VOCABULARY)
    assert encoded.entity_ids == ("", "n", "o", "l")
    segments = [SEGMENT_SUMMARY, SEGMENT_NEW, SEGMENT_NEW, SEGMENT_LIVE]
    assert column(encoded, "segment") == segments


def test_every_field_of_a_context_is_within_its_size() -> None:
    huge = Summary(genres=(("Drama", Total(2**40, 2**60, -(2**40))),))
    encoded = encode_context(huge, Injected(new=("n",)), START_MS, VOCABULARY)
    assert (encoded.fields_CF < np.array(VOCABULARY.field_sizes())).all()
    assert (encoded.fields_CF >= 0).all()


def test_the_context_stands_between_history_and_request() -> None:
    step = Step(occurred_at_ms=START_MS, action=Action.CLICK, entity_id="e")
    request = RequestHalf(at_ms=START_MS + HOUR_MS)
    plain = Prompt(profile=Profile(), steps=(step,), request=request)
    full = replace(plain, summary=SUMMARY, injected=Injected(new=("n",)))
    one, other = encode_prompt(plain, VOCABULARY), encode_prompt(full, VOCABULARY)
    assert one.entity_ids == ("", "", "e")
    assert other.entity_ids == ("", "", "", "", "", "", "n", "e")
    assert one.prefix == other.prefix == 2
    assert (other.fields_TF[:2] == one.fields_TF[:2]).all()
    assert (other.fields_TF[-1] == one.fields_TF[-1]).all(), "the request is as it was"


def test_a_model_that_is_told_no_summary_has_a_prompt_without() -> None:
    without = replace(VOCABULARY, context=ContextConfig(summaries_max=0))
    assert encode_context(SUMMARY, Injected(), START_MS, without).entity_ids == ()
    assert encode_context(NOTHING, Injected(), START_MS, VOCABULARY).entity_ids == ()
