"""The prompt: profile, history, context, request. Built once, for training and serving alike."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.history.history import STEPS_MAX, History, Profile, Step
from pagecast.featurestore.history.step_columns import StepColumns, Strings
from pagecast.featurestore.history.summary import NOTHING, Summary, Totals, summarise
from pagecast.featurestore.prompt.context import (
    NO_CONTEXT,
    NOTHING_INJECTED,
    ContextConfig,
    Injected,
    inject,
)
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

    `steps` are oldest first; none of them depends on the request. `summary` is of the steps that
    have left the history's window, `injected` are entities of the catalog at the request's time.
    """

    profile: Profile
    steps: Sequence[Step]
    request: RequestHalf
    summary: Summary = NOTHING
    injected: Injected = NOTHING_INJECTED

    @property
    def columns(self) -> StepColumns:
        """The steps as they are encoded and digested; a served prompt has them as columns."""
        return self.steps if isinstance(self.steps, StepColumns) else StepColumns.of(self.steps)

    def to_bytes(self) -> bytes:
        """Serialises canonically all that the model can see.

        Session ids and the time of a profile are left out: prompts that differ only in these give
        equal bytes.
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
    catalog: CatalogSnapshot,
    steps_max: int = STEPS_MAX,
    context: ContextConfig = NO_CONTEXT,
) -> Prompt:
    """Builds the prompt of a request from the newest `steps_max` steps and what left the window.

    A stranger (no history) gets a prompt of profile, injected entities and request.
    """
    injected = inject(catalog, at_ms=request.at_ms, country=request.country, config=context)
    if history is None:
        return Prompt(profile=profile, steps=(), request=request, injected=injected)
    return Prompt(
        profile=profile,
        steps=history.steps.newest(steps_max),
        request=request,
        summary=summarise(history.entity_totals, history.row_totals, catalog),
        injected=injected,
    )


def _canonical(prompt: Prompt) -> history_pb2.CanonicalPrompt:
    profile, request, steps = prompt.profile, prompt.request, prompt.columns
    names, contexts = steps.strings.names, [steps.contexts[index] for index in steps.context]
    strings = Strings()
    return history_pb2.CanonicalPrompt(
        profile_language=profile.language,
        profile_type=profile.profile_type,
        maturity_limit=profile.maturity_limit,
        occurred_at_ms=steps.at_ms,
        action=steps.action,
        entity=_indices(strings, (names[index] for index in steps.entity)),
        row=_indices(strings, (names[index] for index in steps.row)),
        watched_ms=steps.watched_ms,
        rating=steps.rating,
        events=steps.events,
        device=_indices(strings, (c.device for c in contexts)),
        country=_indices(strings, (c.country for c in contexts)),
        language=_indices(strings, (c.language for c in contexts)),
        surface=_indices(strings, (c.surface for c in contexts)),
        requested_at_ms=request.at_ms,
        request_device=request.device,
        request_country=request.country,
        request_language=request.language,
        request_surface=request.surface,
        genres=_summary(prompt.summary.genres),
        kinds=_summary(prompt.summary.kinds),
        rows=_summary(prompt.summary.rows),
        new_entity=_indices(strings, prompt.injected.new),
        live_entity=_indices(strings, prompt.injected.live),
        # Last: the columns above have filled it.
        strings=strings.names[1:],
    )


def _indices(strings: Strings, names: Iterable[str]) -> list[int]:
    return [strings.intern(name) for name in names]


def _summary(totals: Totals) -> history_pb2.CanonicalSummary | None:
    if not totals:
        return None
    return history_pb2.CanonicalSummary(
        name=[name for name, _ in totals],
        steps=[total.steps for _, total in totals],
        watched_ms=[total.watched_ms for _, total in totals],
        last_at_ms=[total.last_at_ms for _, total in totals],
    )
