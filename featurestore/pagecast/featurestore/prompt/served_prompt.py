"""What a page was made from, by its record: for training and for replay alike."""

from dataclasses import replace

from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.history.history import History, Profile
from pagecast.featurestore.history.packing import profile_of
from pagecast.featurestore.prompt.context import NO_CONTEXT, ContextConfig
from pagecast.featurestore.prompt.point_in_time import AtOffset
from pagecast.featurestore.prompt.prompt import Prompt, RequestHalf, build_prompt
from pagecast.v1 import events_pb2


def prompt_of_page(
    page: events_pb2.PageServed, history: History | None, catalog: CatalogSnapshot
) -> Prompt:
    """The prompt of a served page; `history` and `catalog` are those its record names."""
    return build_prompt(
        history,
        profile_of_page(page),
        request_half_of_page(page),
        catalog=catalog,
        steps_max=page.steps_max,
        context=_context(page),
    )


def place_of_page(page: events_pb2.PageServed) -> AtOffset:
    """Which history a page's prompt was made from; for pages with a history version."""
    version = page.history_version
    return AtOffset(page.user_id, version.topic_id, version.next_offset)


def profile_of_page(page: events_pb2.PageServed) -> Profile:
    """The profile in the prompt."""
    return profile_of(page.profile) if page.HasField("profile") else Profile()


def request_half_of_page(page: events_pb2.PageServed) -> RequestHalf:
    """The request-time half of the page's step."""
    context = page.context
    return RequestHalf(
        at_ms=page.requested_at.ToMilliseconds(),
        device=context.device,
        country=context.country,
        language=context.language,
        surface=context.surface,
    )


def _context(page: events_pb2.PageServed) -> ContextConfig:
    told = page.prompt_context
    return replace(NO_CONTEXT, new_max=told.new_max, new_days=told.new_days, live_max=told.live_max)
