"""What a page is made from (steps 3 and 4 of its life), as PageStarted says before it (7), and
PageServed after it (9)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.history.history import History, Profile
from pagecast.featurestore.history.overlay import Actions, digest, recorded
from pagecast.featurestore.history.packing import profile_change
from pagecast.featurestore.prompt.context import NO_CONTEXT, ContextConfig
from pagecast.featurestore.prompt.prompt import Prompt
from pagecast.rules.page_rules import PageRules
from pagecast.server.carrying_on.carried_on import PageSoFar, served_rows
from pagecast.server.page.asked import UnknownCandidates
from pagecast.server.page.request import PageRequest
from pagecast.server.page.users import version_message
from pagecast.v1 import continuation_pb2, events_pb2, homepage_pb2, rules_pb2

NOTHING_UNKNOWN = UnknownCandidates()
NO_RULES = rules_pb2.RequestRules()


@dataclass(frozen=True, kw_only=True)
class PageBasis:
    """A request with all that was found out for it; `degraded` names what could not be.

    `actions` are laid over the history's version; `reflected` counts the events of the call that
    were considered.
    """

    page: PageRequest
    history: History | None
    prompt: Prompt
    steps_max: int
    context: ContextConfig
    rules: PageRules
    model_version: str
    arm: str
    degraded: tuple[str, ...] = ()
    unknown: UnknownCandidates = NOTHING_UNKNOWN
    actions: Actions = ()
    reflected: int = 0

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
            rows_before=len(self.rules.standing),
            unknown_candidates=self.unknown.rows + self.unknown.entities,
            actions_reflected=self.reflected,
        )
        started.requested_at.FromMilliseconds(at_ms)
        if self.prompt.steps:
            age_ms = at_ms - self.prompt.steps[-1].occurred_at_ms
            started.newest_step_age.FromMilliseconds(max(0, age_ms))
        return started

    def so_far(self) -> PageSoFar:
        """What the continuation of the page holds before its next row."""
        page = self.page
        made_with = continuation_pb2.Continuation(
            user_id=page.user_id,
            page_id=page.page_id,
            model_version=self.model_version,
            arm=self.arm,
            catalog_number=self.snapshot.number,
            seed=page.seed,
            requested_at_ms=page.half.at_ms,
            history_version=version_message(self.history),
            rows_wanted=page.rows,
            entities_per_row=page.entities_per_row,
            exact_entities=page.exact_entities,
            exact_entities_by_row=page.exact_entities_by_row,
            sampling=page.sampling,
            actions_digest=digest(self.actions),
        )
        return PageSoFar(made_with, self.rules.standing, self.snapshot)

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

    def _rules_input(self) -> rules_pb2.RulesInput:
        page, entities = self.page, self.snapshot.entities
        return rules_pb2.RulesInput(
            rows=page.rows,
            entities_per_row=page.entities_per_row,
            asked=None if page.rules == NO_RULES else page.rules,
            popular_entity_ids=[entities[index].entity_id for index in self.rules.popular],
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
            exact_entities_by_row=self.page.exact_entities_by_row,
            shortlist=self.page.shortlist,
            prompt_sha256=self.prompt.sha256(),
            rows=rows,
            degraded_reason=",".join(self.degraded),
            profile=self._profile(),
            steps_max=self.steps_max,
            prompt_context=self._prompt_context(),
            rules_input=self._rules_input(),
            rows_before=served_rows(self.rules.standing, self.snapshot),
            sampling=self.page.sampling,
            actions=recorded(self.actions),
        )
        served.requested_at.FromMilliseconds(self.page.half.at_ms)
        return served
