"""The prompt: profile, history, request. Built here once, for training and serving alike."""

import hashlib
from dataclasses import dataclass

from pagecast.featurestore.history import STEPS_MAX, History, Profile, Step
from pagecast.v1 import history_pb2


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestHalf:
    """The request-time half of the current step."""

    at_ms: int
    device: str = ""
    country: str = ""
    language: str = ""
    surface: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What the model is told. Independent of any vocabulary.

    `steps` are oldest first; none of them depends on the request.
    """

    profile: Profile
    steps: tuple[Step, ...]
    request: RequestHalf

    def to_bytes(self) -> bytes:
        """Serialises canonically all that the model can see.

        Session ids and the time of a profile are not among it: prompts that differ in these alone
        give equal bytes.
        """
        return _canonical(self).SerializeToString(deterministic=True)

    def sha256(self) -> str:
        """Lower-case hexadecimal digest of `to_bytes`, as `PageServed.prompt_sha256`."""
        return hashlib.sha256(self.to_bytes()).hexdigest()


def build_prompt(
    history: History | None,
    profile: Profile,
    request: RequestHalf,
    *,
    steps_max: int = STEPS_MAX,
) -> Prompt:
    """Builds the prompt of a request from the newest `steps_max` steps.

    A stranger (no history) gets a prompt of profile and request alone.
    """
    steps = tuple(history.steps[-steps_max:]) if history is not None and steps_max else ()
    return Prompt(profile=profile, steps=steps, request=request)


def _canonical(prompt: Prompt) -> history_pb2.CanonicalPrompt:
    profile, request = prompt.profile, prompt.request
    message = history_pb2.CanonicalPrompt(
        profile_language=profile.language,
        profile_type=profile.profile_type,
        maturity_limit=profile.maturity_limit,
        requested_at_ms=request.at_ms,
        device=request.device,
        country=request.country,
        language=request.language,
        surface=request.surface,
    )
    for step in prompt.steps:
        message.steps.add(
            occurred_at_ms=step.occurred_at_ms,
            action=int(step.action),
            entity_id=step.entity_id,
            row_id=step.row_id,
            watched_ms=step.watched_ms,
            rating=step.rating,
            events=step.events,
            device=step.device,
            country=step.country,
            language=step.language,
            surface=step.surface,
        )
    return message
