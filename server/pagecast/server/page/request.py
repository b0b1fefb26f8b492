"""Step 1 of the life of a page: what was asked for, with every default filled in."""

import time
import uuid
from dataclasses import dataclass, field

from google.protobuf.timestamp_pb2 import Timestamp

from pagecast.featurestore.prompt.prompt import RequestHalf
from pagecast.rules.facts import ROWS_MAX
from pagecast.server.config import ServerConfig
from pagecast.server.page.asked import check_lengths
from pagecast.server.rpc.errors import FieldViolation, invalid_argument
from pagecast.v1 import continuation_pb2, events_pb2, homepage_pb2, rules_pb2

PAGE_TIME_MAX_S = 30.0
"""A page's time if the client sets no deadline: it waits no longer, and holds no slot longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageClock:
    """When a request arrived and when its page must be there, by the monotonic clock."""

    arrived_s: float
    deadline_s: float

    @classmethod
    def start(cls, time_remaining_s: float | None, time_max_s: float | None = None) -> "PageClock":
        """`time_remaining_s` is what the client's deadline leaves, if there is one; `time_max_s`
        is what a page may take at most, by default PAGE_TIME_MAX_S."""
        now_s, most_s = time.monotonic(), PAGE_TIME_MAX_S if time_max_s is None else time_max_s
        limit_s = most_s if time_remaining_s is None else min(time_remaining_s, most_s)
        return cls(arrived_s=now_s, deadline_s=now_s + limit_s)

    def elapsed_ms(self) -> float:
        return (time.monotonic() - self.arrived_s) * 1000

    def remaining_s(self) -> float:
        return max(0.0, self.deadline_s - time.monotonic())

    def is_over(self) -> bool:
        return time.monotonic() >= self.deadline_s


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """A request with every default filled in.

    `rows` counts those of the whole page; on one that is carried on, some already stand.
    """

    clock: PageClock
    page_id: str
    user_id: str
    half: RequestHalf
    context: events_pb2.RequestContext
    rows: int
    entities_per_row: int
    exact_entities: int
    exact_entities_by_row: tuple[int, ...] = ()
    seed: int
    entity_by_entity: bool
    shortlist: int = 0
    rules: rules_pb2.RequestRules = field(default_factory=rules_pb2.RequestRules)
    carried_on: continuation_pb2.Continuation | None = None
    sampling: events_pb2.Sampling | None = None


def read_request(
    request: homepage_pb2.StreamHomepageRequest,
    config: ServerConfig,
    clock: PageClock,
    now_ms: int,
    carried_on: continuation_pb2.Continuation | None = None,
) -> PageRequest:
    """Raises Refusal (INVALID_ARGUMENT) for a clock the server does not allow, or rows that would
    have to be longer than they may be."""
    context, before = request.context, carried_on or continuation_pb2.Continuation()
    entities_per_row = (
        request.entities_per_row or before.entities_per_row or config.entities_default
    )
    exact_entities = before.exact_entities or config.exact_entities_default
    check_lengths(request.rules, entities_per_row)
    return PageRequest(
        clock=clock,
        page_id=before.page_id or uuid.uuid4().hex,
        user_id=request.user_id,
        half=RequestHalf(
            at_ms=_requested_at_ms(request, config, now_ms),
            device=context.device,
            country=context.country,
            language=context.language,
            surface=context.surface,
        ),
        context=context,
        rows=_rows(request, before, config),
        entities_per_row=entities_per_row,
        exact_entities=request.exact_entities or exact_entities,
        exact_entities_by_row=tuple(request.exact_entities_by_row or before.exact_entities_by_row),
        shortlist=config.shortlist,
        seed=request.seed if carried_on is None else carried_on.seed,
        sampling=_sampling(request if carried_on is None else carried_on),
        entity_by_entity=request.granularity == homepage_pb2.GRANULARITY_ENTITIES,
        rules=request.rules,
        carried_on=carried_on,
    )


def _sampling(
    told: homepage_pb2.StreamHomepageRequest | continuation_pb2.Continuation,
) -> events_pb2.Sampling | None:
    """None if the best token is taken each time; otherwise with every default filled in."""
    sampling = told.sampling
    if not sampling.temperature:
        return None
    return events_pb2.Sampling(temperature=sampling.temperature, top_p=sampling.top_p or 1.0)


def _rows(
    request: homepage_pb2.StreamHomepageRequest,
    before: continuation_pb2.Continuation,
    config: ServerConfig,
) -> int:
    """Rows of the whole page: those that stand, and those asked for or still owed."""
    standing = len(before.rows)
    further = request.rows or max(0, before.rows_wanted - standing) or config.rows_default
    return min(standing + further, ROWS_MAX)


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
    """Since 1970. Raises Refusal (INVALID_ARGUMENT) for a time outside the years 1 to 9999."""
    try:
        return moment.ToMilliseconds()
    except ValueError as error:
        raise invalid_argument(FieldViolation(path=path, description=str(error))) from error
