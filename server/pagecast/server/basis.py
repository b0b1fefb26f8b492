"""What a page is made from: said in PageStarted before it, and in PageServed after it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pagecast.featurestore.context import NO_CONTEXT, ContextConfig
from pagecast.featurestore.history import History, Profile
from pagecast.featurestore.packing import profile_change
from pagecast.featurestore.prompt import Prompt
from pagecast.featurestore.snapshot import CatalogSnapshot
from pagecast.rules.page_rules import PageRules
from pagecast.server.request import PageRequest
from pagecast.v1 import events_pb2, homepage_pb2


@dataclass(frozen=True, kw_only=True)
class PageBasis:
    """A request with all that was found out for it; `degraded` names what could not be."""

    page: PageRequest
    history: History | None
    prompt: Prompt
    steps_max: int
    context: ContextConfig
    rules: PageRules
    model_version: str
    arm: str
    degraded: tuple[str, ...] = ()

    @property
    def snapshot(self) -> CatalogSnapshot:
        return self.rules.catalog.snapshot

    def without_model(self, reason: str) -> "PageBasis":
        return replace(self, model_version="", degraded=(*self.degraded, reason))

    def started(self) -> homepage_pb2.PageStarted:
        at_ms = self.page.half.at_ms
        started = homepage_pb2.PageStarted(
            page_id=self.page.page_id,
            model_version=self.model_version,
            arm=self.arm,
            history_version=version_message(self.history),
            catalog_number=self.snapshot.number,
            degraded_reason=",".join(self.degraded),
        )
        started.requested_at.FromMilliseconds(at_ms)
        if self.prompt.steps:
            age_ms = at_ms - self.prompt.steps[-1].occurred_at_ms
            started.newest_step_age.FromMilliseconds(max(0, age_ms))
        return started

    def _profile(self) -> events_pb2.ProfileChange | None:
        profile = self.prompt.profile
        return None if profile == Profile() else profile_change(self.page.user_id, profile)

    def _prompt_context(self) -> events_pb2.PromptContext | None:
        context = self.context
        if context == NO_CONTEXT:
            return None
        return events_pb2.PromptContext(
            new_max=context.new_max, new_days=context.new_days, live_max=context.live_max
        )

    def served(self, rows: Sequence[events_pb2.ServedRow]) -> events_pb2.PageServed:
        """Takes a millisecond: rules and prompt are hashed."""
        served = events_pb2.PageServed(
            page_id=self.page.page_id,
            user_id=self.page.user_id,
            context=self.page.context,
            model_version=self.model_version,
            arm=self.arm,
            history_version=version_message(self.history),
            catalog_number=self.snapshot.number,
            rules_sha256=self.rules.sha256,
            seed=self.page.seed,
            exact_entities=self.page.exact_entities,
            prompt_sha256=self.prompt.sha256(),
            rows=rows,
            degraded_reason=",".join(self.degraded),
            profile=self._profile(),
            steps_max=self.steps_max,
            prompt_context=self._prompt_context(),
        )
        served.requested_at.FromMilliseconds(self.page.half.at_ms)
        return served


def version_message(history: History | None) -> events_pb2.HistoryVersion | None:
    if history is None or history.version is None:
        return None
    version = history.version
    return events_pb2.HistoryVersion(
        topic_id=version.topic_id, partition=version.partition, next_offset=version.next_offset
    )
