"""ExperimentService: experiments over gRPC. Servers follow them by themselves (`arms`)."""

import asyncio
import threading
from collections.abc import Awaitable
from typing import Any, TypeVar

import grpc
from sqlalchemy.exc import SQLAlchemyError

from pagecast.featurestore.experiments.assignment import Arm, ExperimentInvalid
from pagecast.featurestore.experiments.store import (
    LISTED_MAX,
    OUTCOME_MS,
    Experiments,
    ExperimentUnknown,
)
from pagecast.server.experiments.arm_estimates import ReportSource, report_with_estimates
from pagecast.server.experiments.messages import experiment_message, report_message
from pagecast.server.rpc.errors import (
    FieldViolation,
    Refusal,
    invalid_argument,
    registry_unavailable,
)
from pagecast.server.rpc.registry_calls import RegistryCalls
from pagecast.v1 import experiment_pb2, experiment_pb2_grpc

RETRY_DELAY_MS = 5_000
"""What a refused client is told to wait: a report takes seconds."""

T = TypeVar("T")


class _NobodyWaits(Exception):  # noqa: N818 - it is news, not an error
    """Ends the work on a report whose client has left, or has waited until its deadline."""


class ExperimentService(experiment_pb2_grpc.ExperimentServiceServicer):
    def __init__(self, source: ReportSource, calls: RegistryCalls) -> None:
        self._source = source
        self._calls = calls
        self._experiments = Experiments(source.engine)
        # Each report reads the whole offline log in the process that serves pages: one at a time.
        # Held by the thread, so that a client that gives up does not make room for a second one.
        self._reporting = threading.Lock()

    async def StartExperiment(
        self, request: experiment_pb2.StartExperimentRequest, _context: Any
    ) -> experiment_pb2.StartExperimentResponse:
        arms = [Arm(alias=arm.alias, share=arm.share) for arm in request.arms]
        told = request.HasField("outcome_window")
        outcome_ms = request.outcome_window.ToMilliseconds() if told else OUTCOME_MS
        started = await _answer(
            self._calls.answer(
                lambda: self._experiments.start(
                    request.name, arms, control=request.control, outcome_ms=outcome_ms
                )
            )
        )
        return experiment_pb2.StartExperimentResponse(experiment=experiment_message(started))

    async def StopExperiment(
        self, request: experiment_pb2.StopExperimentRequest, _context: Any
    ) -> experiment_pb2.StopExperimentResponse:
        stopped = await _answer(self._calls.answer(lambda: self._experiments.stop(request.name)))
        return experiment_pb2.StopExperimentResponse(experiment=experiment_message(stopped))

    async def ListExperiments(
        self, request: experiment_pb2.ListExperimentsRequest, _context: Any
    ) -> experiment_pb2.ListExperimentsResponse:
        found = await _answer(
            self._calls.answer(lambda: self._experiments.list(request.page_size or LISTED_MAX))
        )
        return experiment_pb2.ListExperimentsResponse(experiments=map(experiment_message, found))

    async def GetExperimentReport(
        self, request: experiment_pb2.GetExperimentReportRequest, _context: Any
    ) -> experiment_pb2.GetExperimentReportResponse:
        left = threading.Event()
        try:
            report = await _answer(asyncio.to_thread(self._report, request, left))
        finally:
            left.set()
        return experiment_pb2.GetExperimentReportResponse(report=report)

    def _report(
        self, request: experiment_pb2.GetExperimentReportRequest, left: threading.Event
    ) -> experiment_pb2.ExperimentReport:
        """`left` says that nobody waits for it any more."""

        def told(_share: float) -> None:
            if left.is_set():
                raise _NobodyWaits

        if not self._reporting.acquire(blocking=False):
            raise Refusal(
                code=grpc.StatusCode.RESOURCE_EXHAUSTED,
                reason="REPORTS_EXHAUSTED",
                message=f"another report is being made: try again in {RETRY_DELAY_MS} ms",
                retry_delay_ms=RETRY_DELAY_MS,
            )
        try:
            report = report_with_estimates(
                self._source,
                request.name,
                off_policy_pages=request.off_policy_pages,
                told=told,
            )
            return report_message(report)
        finally:
            self._reporting.release()


async def _answer(asked: Awaitable[T]) -> T:
    """What `asked` returns. Raises Refusal for what it raises."""
    try:
        return await asked
    except ExperimentUnknown as error:
        raise Refusal(
            code=grpc.StatusCode.NOT_FOUND, reason="EXPERIMENT_UNKNOWN", message=str(error)
        ) from error
    except ExperimentInvalid as error:
        raise invalid_argument(
            FieldViolation(path=error.field, description=error.message)
        ) from error
    except SQLAlchemyError as error:
        raise registry_unavailable() from error
