"""What the rules of an evaluated page depend on, determined by the server's own code."""

from dataclasses import replace

from pagecast.cli.data.interchange import Interchange
from pagecast.featurestore.history.history import Profile
from pagecast.featurestore.history.steps import WATCHED_ACTIONS
from pagecast.featurestore.prompt.prompt import RequestHalf
from pagecast.rules.facts import RequestFacts
from pagecast.server.config import ServerConfig
from pagecast.server.page.facts import facts_of
from pagecast.server.page.request import PageClock, PageRequest
from pagecast.trainer.evaluation.protocols.interactions import Interactions
from pagecast.trainer.evaluation.protocols.requests import Request
from pagecast.v1 import events_pb2


class ServedFacts:
    """The facts a server would have had, with its defaults for the size of a page."""

    def __init__(self, interchange: Interchange) -> None:
        self._interchange = interchange

    def __call__(self, data: Interactions, request: Request) -> RequestFacts:
        """Facts from the history before the first step that the request does not see.

        Steps of that same moment that it does see (leave-one-out) count as watched, too.
        """
        user = data.users[request.user]
        unseen_ms = user.steps[request.visible].occurred_at_ms
        history = self._interchange.history_before(user.user_id, unseen_ms)
        known = user.profile.occurred_at_ms <= request.at_ms
        profile = user.profile if known else Profile()
        facts = facts_of(_page_request(data, request), history, profile, data.catalog)
        seen = {
            step.entity_id
            for step in user.steps[: request.visible]
            if step.occurred_at_ms == unseen_ms and step.action in WATCHED_ACTIONS
        }
        return replace(facts, watched=facts.watched | seen)


def _page_request(data: Interactions, request: Request) -> PageRequest:
    step = data.users[request.user].steps[request.step]
    return PageRequest(
        clock=PageClock.start(None),
        page_id="",
        user_id=data.users[request.user].user_id,
        half=RequestHalf(
            at_ms=request.at_ms,
            device=step.device,
            country=step.country,
            language=step.language,
            surface=step.surface,
        ),
        context=events_pb2.RequestContext(),
        rows=ServerConfig.rows_default,
        entities_per_row=ServerConfig.entities_default,
        exact_entities=ServerConfig.exact_entities_default,
        seed=0,
        entity_by_entity=False,
    )
