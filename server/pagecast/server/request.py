"""Steps 1 and 3 of the life of a page: what was asked for, in the words of prompt and rules."""

import time
import uuid
from dataclasses import dataclass
from itertools import islice

from google.protobuf.timestamp_pb2 import Timestamp

from pagecast.featurestore.history import Action, History, Profile, Step
from pagecast.featurestore.prompt import RequestHalf
from pagecast.featurestore.snapshot import CatalogSnapshot
from pagecast.rules.facts import RequestFacts
from pagecast.server.config import ServerConfig
from pagecast.server.errors import FieldViolation, invalid_argument
from pagecast.v1 import events_pb2, homepage_pb2

BECAUSE_ARGUMENTS_MAX = 40
"""Entities of a history a BECAUSE row may stand for: more than a page has rows is never used."""

RATING_POSITIVE_MIN = 3.5
"""On a scale from 0 to 5: `because you watched` must not follow what was disliked."""

PLAYED_ACTIONS = frozenset(
    {Action.PLAY_FEATURE, Action.PLAY_LIVE, Action.PURCHASE, Action.COMPLETE}
)


PAGE_TIME_MAX_S = 30.0
"""A page's time if the client sets no deadline: nobody waits longer, and no slot is held longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageClock:
    """When a request arrived and when its page must be there, by the monotonic clock."""

    arrived_s: float
    deadline_s: float

    @classmethod
    def start(cls, time_remaining_s: float | None) -> "PageClock":
        """`time_remaining_s` is what the client's deadline leaves, if there is one."""
        now_s = time.monotonic()
        limit_s = PAGE_TIME_MAX_S if time_remaining_s is None else time_remaining_s
        return cls(arrived_s=now_s, deadline_s=now_s + min(limit_s, PAGE_TIME_MAX_S))

    def elapsed_ms(self) -> float:
        return (time.monotonic() - self.arrived_s) * 1000

    def is_over(self) -> bool:
        return time.monotonic() >= self.deadline_s


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """A request with every default filled in."""

    clock: PageClock
    page_id: str
    user_id: str
    half: RequestHalf
    context: events_pb2.RequestContext
    rows: int
    entities_per_row: int
    exact_entities: int
    seed: int
    entity_by_entity: bool


def read_request(
    request: homepage_pb2.StreamHomepageRequest,
    config: ServerConfig,
    clock: PageClock,
    now_ms: int,
) -> PageRequest:
    """Raises Refusal (INVALID_ARGUMENT) for a clock the server does not allow."""
    context = request.context
    return PageRequest(
        clock=clock,
        page_id=uuid.uuid4().hex,
        user_id=request.user_id,
        half=RequestHalf(
            at_ms=_requested_at_ms(request, config, now_ms),
            device=context.device,
            country=context.country,
            language=context.language,
            surface=context.surface,
        ),
        context=context,
        rows=request.rows or config.rows_default,
        entities_per_row=request.entities_per_row or config.entities_default,
        exact_entities=request.exact_entities or config.exact_entities_default,
        seed=request.seed,
        entity_by_entity=request.granularity == homepage_pb2.GRANULARITY_ENTITIES,
    )


def facts_of(
    page: PageRequest, history: History | None, profile: Profile, catalog: CatalogSnapshot
) -> RequestFacts:
    """What the rules of this request depend on; a stranger has neither seen nor hidden anything."""
    past = history or History(user_id="")
    return RequestFacts(
        at_ms=page.half.at_ms,
        device=page.half.device,
        country=page.half.country,
        maturity_limit=profile.maturity_limit,
        hidden=frozenset(past.hidden),
        watched=frozenset(past.watched()),
        resume=tuple(reversed(past.resume_ms)),
        because=because_arguments(past, catalog),
        rows=page.rows,
        entities_per_row=page.entities_per_row,
    )


def because_arguments(history: History, catalog: CatalogSnapshot) -> tuple[str, ...]:
    """Entities of the catalog the user liked and has not hidden, newest first.

    The newest judgement of an entity counts: who rated 1 after a play did not like it.
    """
    liked: dict[str, bool] = {}
    for step in reversed(history.steps):
        known = step.entity_id in catalog.entity_index and step.entity_id not in history.hidden
        if known and (step.rating is not None or step.action in PLAYED_ACTIONS):
            liked.setdefault(step.entity_id, _is_positive(step))
    positive = (entity_id for entity_id, is_liked in liked.items() if is_liked)
    return tuple(islice(positive, BECAUSE_ARGUMENTS_MAX))


def _is_positive(step: Step) -> bool:
    return step.rating is None or step.rating >= RATING_POSITIVE_MIN


def _requested_at_ms(
    request: homepage_pb2.StreamHomepageRequest, config: ServerConfig, now_ms: int
) -> int:
    if not request.HasField("requested_at"):
        return now_ms
    if not config.allow_client_clock:
        raise invalid_argument(
            FieldViolation(
                path="requested_at",
                description="the server's clock counts: leave it out, or allow the client's clock",
            )
        )
    return milliseconds(request.requested_at, "requested_at")


def milliseconds(moment: Timestamp, path: str) -> int:
    """Since 1970. Raises Refusal (INVALID_ARGUMENT) for a moment outside the years 1 to 9999."""
    try:
        return moment.ToMilliseconds()
    except ValueError as error:
        raise invalid_argument(FieldViolation(path=path, description=str(error))) from error
