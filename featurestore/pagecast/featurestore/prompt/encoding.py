"""A prompt in a model's numbers. The same code encodes for training and for serving.

Letters: T positions of a prompt, F fields.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pagecast.featurestore.history.step_columns import StepColumns
from pagecast.featurestore.history.steps import Context
from pagecast.featurestore.prompt.buckets import column, log_bucket
from pagecast.featurestore.prompt.context_encoding import encode_context
from pagecast.featurestore.prompt.prompt import Prompt
from pagecast.featurestore.prompt.vocabulary import (
    EVENT_BUCKETS,
    FIELDS,
    GAP_BUCKETS,
    SEGMENT_PROFILE,
    SEGMENT_STEP,
    WATCHED_BUCKETS,
    Vocabulary,
)


@dataclass(frozen=True, kw_only=True)
class EncodedPrompt:
    """A prompt in a model's numbers; T = 1 (profile) + steps + context + 1 (request).

    Position 0 is the profile. Position t >= 1 of the history joins the request-time half of step t
    with the post-action half of step t-1; the request's is the last one, behind the context, with
    the post-action half of the newest step. `entity_ids` are the entities of the post-action
    halves and of the context ("" for none), looked up in the catalog, not in the vocabulary.

    The first `prefix` positions say nothing of the request: what a model computes of them may be
    kept until the profile, the catalog or a step among them changes. The others are the tail.
    """

    entity_ids: tuple[str, ...]
    fields_TF: npt.NDArray[np.int64]
    prefix: int


def encode_prompt(prompt: Prompt, vocabulary: Vocabulary) -> EncodedPrompt:
    """Encodes a prompt (docs/papers.md 3.1: request-time half of t, post-action half of t-1)."""
    context = encode_context(prompt.summary, prompt.injected, prompt.request.at_ms, vocabulary)
    steps = prompt.columns
    fields_TF = _encode_history(prompt, steps, vocabulary)
    names = steps.strings.names
    entity_ids = ("", "", *[names[index] for index in steps.entity])
    return EncodedPrompt(
        entity_ids=(*entity_ids[:-1], *context.entity_ids, entity_ids[-1]),
        fields_TF=np.concatenate([fields_TF[:-1], context.fields_CF, fields_TF[-1:]]),
        prefix=len(fields_TF) - 1,
    )


def _encode_history(
    prompt: Prompt, steps: StepColumns, vocabulary: Vocabulary
) -> npt.NDArray[np.int64]:
    """Fields of profile, steps and request."""
    request = prompt.request
    fields_TF = np.zeros((len(steps) + 2, len(FIELDS)), dtype=np.int64)
    _encode_profile(fields_TF, prompt, vocabulary)
    at_ms = np.append(np.array(steps.at_ms), request.at_ms)
    body_TF = fields_TF[1:]
    body_TF[:, column("segment")] = SEGMENT_STEP
    body_TF[1:, column("gap")] = log_bucket(np.diff(at_ms) // 1000, GAP_BUCKETS)
    body_TF[:, column("hour_of_week")] = 1 + (at_ms // 3_600_000 + _EPOCH_HOUR_OF_WEEK) % 168
    body_TF[:, column("season")] = _season(at_ms)
    asked_in = Context(request.device, request.country, request.language, request.surface)
    contexts = [*steps.contexts, asked_in]
    context_T = np.append(np.array(steps.context), len(contexts) - 1)
    for field, ids in (
        ("device", vocabulary.device_ids),
        ("country", vocabulary.country_ids),
        ("language", vocabulary.language_ids),
        ("surface", vocabulary.surface_ids),
    ):
        known = np.array([ids.get(getattr(context, field), 0) for context in contexts])
        body_TF[:, column(field)] = known[context_T]
    _encode_actions(fields_TF[2:], steps, vocabulary)
    return fields_TF


_EPOCH_HOUR_OF_WEEK = 3 * 24
"""1970-01-01 was a Thursday; weeks begin on Monday."""


def _season(at_ms: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """1 to 4: December to February, March to May, and so on."""
    month = at_ms.astype("datetime64[ms]").astype("datetime64[M]").astype(np.int64) % 12
    return np.asarray(1 + ((month + 1) % 12) // 3, dtype=np.int64)


def _encode_profile(
    fields_TF: npt.NDArray[np.int64], prompt: Prompt, vocabulary: Vocabulary
) -> None:
    profile, limit = prompt.profile, prompt.profile.maturity_limit
    fields_TF[0, column("segment")] = SEGMENT_PROFILE
    fields_TF[0, column("profile_type")] = profile.profile_type
    fields_TF[0, column("profile_language")] = vocabulary.language_ids.get(profile.language, 0)
    fields_TF[0, column("maturity_limit")] = 0 if limit is None else 1 + min(limit, 21)


def _encode_actions(
    actions_TF: npt.NDArray[np.int64], steps: StepColumns, vocabulary: Vocabulary
) -> None:
    watched_ms, names = np.array(steps.watched_ms), steps.strings.names
    watched = log_bucket(watched_ms / 60_000, WATCHED_BUCKETS)
    actions_TF[:, column("action")] = np.array(steps.action)
    actions_TF[:, column("watched")] = np.where(watched_ms > 0, watched, 0)
    actions_TF[:, column("rating")] = np.array(steps.rating)
    actions_TF[:, column("events")] = log_bucket(np.array(steps.events) - 1.0, EVENT_BUCKETS)
    actions_TF[:, column("row")] = [vocabulary.row_ids.get(names[index], 0) for index in steps.row]
