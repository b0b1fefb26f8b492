"""ModelService: the model registry over gRPC. Servers follow the champion by themselves."""

from collections.abc import Callable
from typing import Any, TypeVar

import grpc

from pagecast.featurestore.models.records import (
    GateNotPassed,
    ModelFreed,
    ModelRecord,
    ModelUnknown,
    NoPredecessor,
)
from pagecast.featurestore.models.registry import LISTED_MAX, Registry
from pagecast.featurestore.models.verdicts import Verdict
from pagecast.server.rpc.errors import Refusal
from pagecast.server.rpc.registry_calls import RegistryCalls
from pagecast.v1 import model_pb2, model_pb2_grpc

MOVED_BY = "rpc"
"""Who moved an alias, in its history: until there is authentication, nobody in particular."""

T = TypeVar("T")


class ModelService(model_pb2_grpc.ModelServiceServicer):
    def __init__(self, registry: Registry, calls: RegistryCalls) -> None:
        self._registry = registry
        self._calls = calls

    async def ListModels(
        self, request: model_pb2.ListModelsRequest, _context: Any
    ) -> model_pb2.ListModelsResponse:
        limit = request.page_size or LISTED_MAX
        records = await self._answer(lambda: self._registry.list(limit))
        return model_pb2.ListModelsResponse(models=[_model(record) for record in records])

    async def GetModel(
        self, request: model_pb2.GetModelRequest, _context: Any
    ) -> model_pb2.GetModelResponse:
        record = await self._answer(lambda: self._registry.get(request.version))
        return model_pb2.GetModelResponse(model=_model(record))

    async def PromoteModel(
        self, request: model_pb2.PromoteModelRequest, _context: Any
    ) -> model_pb2.PromoteModelResponse:
        record = await self._answer(
            lambda: self._registry.promote(
                request.version, MOVED_BY, forced=request.force, note=request.note
            )
        )
        return model_pb2.PromoteModelResponse(model=_model(record))

    async def RollbackModel(
        self, request: model_pb2.RollbackModelRequest, _context: Any
    ) -> model_pb2.RollbackModelResponse:
        record = await self._answer(
            lambda: self._registry.rollback(
                MOVED_BY, note=request.note, from_version=request.from_version
            )
        )
        return model_pb2.RollbackModelResponse(model=_model(record))

    async def _answer(self, ask: Callable[[], T]) -> T:
        """The registry's answer. Raises Refusal for what it raises."""
        try:
            return await self._calls.answer(ask)
        except ModelUnknown as error:
            raise Refusal(
                code=grpc.StatusCode.NOT_FOUND, reason="MODEL_UNKNOWN", message=str(error)
            ) from error
        except NoPredecessor as error:
            raise Refusal(
                code=grpc.StatusCode.FAILED_PRECONDITION,
                reason="MODEL_NO_PREDECESSOR",
                message=str(error),
            ) from error
        except (GateNotPassed, ModelFreed) as error:
            raise Refusal(
                code=grpc.StatusCode.FAILED_PRECONDITION,
                reason="GATE_NOT_PASSED" if isinstance(error, GateNotPassed) else "MODEL_FREED",
                message=str(error),
            ) from error


def _model(record: ModelRecord) -> model_pb2.Model:
    model = model_pb2.Model(
        version=record.version,
        parent_version=record.parent_version or "",
        aliases=record.aliases,
        metrics=record.metrics,
        code_version=record.code_version,
        bundle_freed=record.freed_at_ms is not None,
    )
    if record.verdict is not None:
        model.verdict.CopyFrom(_verdict(record.verdict))
    model.created_at.FromMilliseconds(record.created_at_ms)
    return model


def _verdict(verdict: Verdict) -> model_pb2.Verdict:
    message = model_pb2.Verdict(passed=verdict.passed, champion=verdict.champion or "")
    for criterion in verdict.criteria:
        message.criteria.add(name=criterion.name, passed=criterion.passed, told=criterion.told)
    message.judged_at.FromMilliseconds(verdict.judged_at_ms)
    return message
