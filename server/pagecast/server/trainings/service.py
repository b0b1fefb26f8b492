"""TrainingService: asking for trainings over gRPC. `pagecast trainer` runs them, elsewhere."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

import grpc

from pagecast.featurestore.trainings.orders import OrderError, order_of
from pagecast.featurestore.trainings.records import Training
from pagecast.featurestore.trainings.trainings import (
    LISTED_MAX,
    QueueFull,
    RequestDiffers,
    Trainings,
    TrainingUnknown,
)
from pagecast.server.rpc.errors import (
    FieldViolation,
    Refusal,
    invalid_argument,
)
from pagecast.server.rpc.registry_calls import RegistryCalls
from pagecast.server.trainings.messages import STATES, training_message
from pagecast.v1 import training_pb2, training_pb2_grpc

ASKED_BY = "rpc"

WATCH_PERIOD_S = 0.5
"""How often a watch looks: a trainer notes its progress every second."""

WATCHERS_MAX = 100
"""Watches at the same time; each asks the database for one row twice a second."""

QUEUE_RETRY_MS = 60_000
"""A training takes minutes: asking again sooner is of no use."""

T = TypeVar("T")


class TrainingService(training_pb2_grpc.TrainingServiceServicer):
    def __init__(self, trainings: Trainings, calls: RegistryCalls) -> None:
        self._trainings = trainings
        self._calls = calls
        self._watchers = 0

    async def StartTraining(
        self, request: training_pb2.StartTrainingRequest, _context: Any
    ) -> training_pb2.StartTrainingResponse:
        training = await self._answer(
            lambda: self._trainings.ask(
                request.request_id, order_of(request), asked_by=ASKED_BY, detail=request.detail
            )
        )
        return training_pb2.StartTrainingResponse(training=training_message(training))

    async def GetTraining(
        self, request: training_pb2.GetTrainingRequest, _context: Any
    ) -> training_pb2.GetTrainingResponse:
        training = await self._get(request.request_id)
        return training_pb2.GetTrainingResponse(training=training_message(training))

    async def ListTrainings(
        self, request: training_pb2.ListTrainingsRequest, _context: Any
    ) -> training_pb2.ListTrainingsResponse:
        limit = request.page_size or LISTED_MAX
        wanted = [state for state, number in STATES.items() if number in request.states]
        found = await self._answer(lambda: self._trainings.list(limit, wanted))
        return training_pb2.ListTrainingsResponse(trainings=map(training_message, found))

    async def WatchTraining(
        self, request: training_pb2.WatchTrainingRequest, _context: Any
    ) -> AsyncIterator[training_pb2.WatchTrainingResponse]:
        if self._watchers >= WATCHERS_MAX:
            raise Refusal(
                code=grpc.StatusCode.RESOURCE_EXHAUSTED,
                reason="TOO_MANY_WATCHERS",
                message=f"{WATCHERS_MAX} trainings are watched already: ask with GetTraining",
            )
        self._watchers += 1
        try:
            async for training in self._changes(request.request_id):
                yield training_pb2.WatchTrainingResponse(training=training_message(training))
        finally:
            self._watchers -= 1

    async def CancelTraining(
        self, request: training_pb2.CancelTrainingRequest, _context: Any
    ) -> training_pb2.CancelTrainingResponse:
        training = await self._answer(lambda: self._trainings.cancel(request.request_id))
        return training_pb2.CancelTrainingResponse(training=training_message(training))

    async def _changes(self, request_id: str) -> AsyncIterator[Training]:
        """A training now, and after every change, until it has ended."""
        before = None
        while before is None or not before.state.ended:
            training = await self._get(request_id)
            if training != before:
                yield training
                before = training
            if not training.state.ended:
                await asyncio.sleep(WATCH_PERIOD_S)

    async def _get(self, request_id: str) -> Training:
        return await self._answer(lambda: self._trainings.get(request_id))

    async def _answer(self, ask: Callable[[], T]) -> T:
        """The database's answer. Raises Refusal for what it raises."""
        try:
            return await self._calls.answer(ask)
        except OrderError as error:
            violation = FieldViolation(path=error.field, description=error.remedy)
            raise invalid_argument(violation) from error
        except TrainingUnknown as error:
            raise Refusal(
                code=grpc.StatusCode.NOT_FOUND, reason="TRAINING_UNKNOWN", message=str(error)
            ) from error
        except RequestDiffers as error:
            raise Refusal(
                code=grpc.StatusCode.ALREADY_EXISTS, reason="REQUEST_DIFFERS", message=str(error)
            ) from error
        except QueueFull as error:
            raise Refusal(
                code=grpc.StatusCode.RESOURCE_EXHAUSTED,
                reason="TRAININGS_WAITING",
                message=str(error),
                retry_delay_ms=QUEUE_RETRY_MS,
            ) from error
