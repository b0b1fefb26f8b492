"""FeatureService: what is known of users.

RPCs that do more than look something up have files of their own: `publish`, `forget`.
"""

import asyncio
from typing import Any

import grpc

from pagecast.engine.batching.prefix_cache import PrefixCache
from pagecast.featurestore.history.history import History, Step
from pagecast.server.events.forget import Forgetting
from pagecast.server.events.publish import Requests, publish_events
from pagecast.server.events.publishing import EventPublisher
from pagecast.server.page.users import StoreUnavailable, Users, version_message
from pagecast.server.rpc.errors import Refusal, feature_store_unavailable
from pagecast.server.rpc.validation import checks_itself
from pagecast.v1 import events_pb2, feature_pb2, feature_pb2_grpc


class FeatureService(feature_pb2_grpc.FeatureServiceServicer):
    def __init__(
        self,
        users: Users,
        publisher: EventPublisher | None,
        forgetting: Forgetting,
        prefixes: PrefixCache,
    ) -> None:
        self._users = users
        self._publisher = publisher
        self._forgetting = forgetting
        self._prefixes = prefixes

    async def GetHistory(
        self, request: feature_pb2.GetHistoryRequest, _context: Any
    ) -> feature_pb2.GetHistoryResponse:
        """Raises Refusal: NOT_FOUND for a user without events, UNAVAILABLE without the store."""
        try:
            user = await asyncio.to_thread(self._users.read, request.user_id)
        except StoreUnavailable as error:
            raise feature_store_unavailable() from error
        if user.history is None:
            raise Refusal(
                code=grpc.StatusCode.NOT_FOUND,
                reason="USER_UNKNOWN",
                message="no event of this user has been ingested: publish one, or check the id",
            )
        return _response(user.history, request.steps_max)

    # At 14 µs an event in the event loop, the interceptor's check would cost too much.
    @checks_itself
    async def PublishEvents(
        self, requests: Requests, context: Any
    ) -> feature_pb2.PublishEventsResponse:
        """Raises Refusal: see `publish_events`."""
        return await publish_events(self._publisher, requests, context)

    async def ForgetUser(
        self, request: feature_pb2.ForgetUserRequest, context: Any
    ) -> feature_pb2.ForgetUserResponse:
        """Raises what `Forgetting.answer` raises."""
        try:
            return await self._forgetting.answer(request.user_id, context.time_remaining())
        finally:
            # Other servers drop theirs with the next page by the same model, or after an hour.
            self._prefixes.forget(request.user_id)


def _response(history: History, steps_max: int) -> feature_pb2.GetHistoryResponse:
    response = feature_pb2.GetHistoryResponse(
        version=version_message(history), steps_dropped=history.steps_dropped
    )
    for step in history.steps[-steps_max:] if steps_max else history.steps:
        response.steps.append(_step(step))
    return response


def _step(step: Step) -> feature_pb2.Step:
    message = feature_pb2.Step(
        action=step.action.name.lower(),
        entity_id=step.entity_id,
        row_id=step.row_id,
        rating=step.rating,
        events=step.events,
        context=events_pb2.RequestContext(
            session_id=step.session_id,
            device=step.device,
            country=step.country,
            language=step.language,
            surface=step.surface,
        ),
    )
    message.occurred_at.FromMilliseconds(step.occurred_at_ms)
    if step.watched_ms:
        message.watched.FromMilliseconds(step.watched_ms)
    return message
