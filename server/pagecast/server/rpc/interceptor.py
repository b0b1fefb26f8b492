"""Step 1 of the life of a page: the one door through which every RPC comes in.

It parses and validates each request, turns `Refusal` into a status with details, keeps unexpected
errors from leaking, and counts the calls in flight for the drain.
"""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any, NoReturn

import grpc
import structlog

from pagecast.server.metrics import Metrics
from pagecast.server.rpc.errors import Refusal, to_status
from pagecast.server.rpc.validation import check, tolerant

_log = structlog.get_logger(__name__)

OWN_METHODS = "/pagecast."
"""Prefix of the methods a drain waits for: a health watch, for one, would outlive any grace."""

WATCHES = ("/pagecast.v1.TrainingService/WatchTraining",)
"""Own methods that a drain does not wait for: a watch lasts as long as a training, and can be begun
again."""

Behaviour = Callable[[Any, Any], Any]

Check = Callable[[Any], Any]
"""Checks and returns a request, or the messages of a streaming one."""


class CallsInFlight:
    """Counts our own RPCs; lives in the event loop."""

    def __init__(self) -> None:
        self._count = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def begin(self) -> None:
        self._count += 1
        self._idle.clear()

    def end(self) -> None:
        self._count -= 1
        if self._count == 0:
            self._idle.set()

    async def wait_until_none(self) -> None:
        await self._idle.wait()


class RequestInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]
    """Wraps the handler of every method, whatever its kind."""

    def __init__(self, metrics: Metrics, calls: CallsInFlight) -> None:
        self._metrics = metrics
        self._calls = calls
        self._wrapped: dict[str, tuple[Any, Any]] = {}
        """By method: the server's handler, which is the same for every call, and ours."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        handler = await continuation(handler_call_details)
        if handler is None:  # grpc answers UNIMPLEMENTED
            return handler
        method = handler_call_details.method
        of, wrapped = self._wrapped.get(method, (None, None))
        if of is not handler:
            wrapped = self._wrap(method, handler)
            self._wrapped[method] = handler, wrapped
        return wrapped

    def _wrap(self, method: str, handler: Any) -> Any:
        behaviour, make = _kind(handler)
        wrap = self._streamed if handler.response_streaming else self._single
        return make(
            wrap(method, behaviour, _check(handler, behaviour)),
            request_deserializer=tolerant(handler.request_deserializer),
            response_serializer=handler.response_serializer,
        )

    def _single(self, method: str, behaviour: Behaviour, checked: Check) -> Behaviour:
        async def answer(request: Any, context: Any) -> Any:
            async with self._answering(method, context):
                return await behaviour(checked(request), context)

        return answer

    def _streamed(self, method: str, behaviour: Behaviour, checked: Check) -> Behaviour:
        """Does the writing, so that a cancel always reaches this coroutine.

        A generator handed to grpc.aio is left suspended if the cancel arrives between messages.
        """
        if not inspect.isasyncgenfunction(behaviour):
            return self._single(method, behaviour, checked)

        async def answer(request: Any, context: Any) -> None:
            async with (
                self._answering(method, context),
                aclosing(behaviour(checked(request), context)) as messages,
            ):
                async for message in messages:
                    await context.write(message)

        return answer

    @asynccontextmanager
    async def _answering(self, method: str, context: Any) -> AsyncIterator[None]:
        counted = method.startswith(OWN_METHODS) and method not in WATCHES
        if counted:
            self._calls.begin()
        try:
            yield
        except Refusal as refusal:
            self._metrics.rejected.labels(reason=refusal.reason).inc()
            await _abort(context, refusal)
        except grpc.aio.AbortError:
            raise
        except Exception:
            _log.exception("rpc_failed", method=method)
            self._metrics.rejected.labels(reason="INTERNAL").inc()
            await _abort(context, _INTERNAL)
        finally:
            if counted:
                self._calls.end()


_INTERNAL = Refusal(
    code=grpc.StatusCode.INTERNAL,
    reason="INTERNAL",
    message="the server failed; its log says how",
)


def _check(handler: Any, behaviour: Behaviour) -> Check:
    """What checks a call's request; if it streams, every message as it is read."""
    if getattr(behaviour, "checks_itself", False):
        return lambda request: request
    return _checked_each if handler.request_streaming else _checked


def _checked(request: Any) -> Any:
    check(request)
    return request


async def _checked_each(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for request in requests:
        check(request)
        yield request


async def _abort(context: Any, refusal: Refusal) -> NoReturn:
    status = to_status(refusal)
    await context.abort(status.code, status.details, status.trailing_metadata)
    raise AssertionError("abort always raises")


def _kind(handler: Any) -> tuple[Behaviour, Callable[..., Any]]:
    """An RpcMethodHandler's behaviour, and what makes another handler of its kind."""
    if handler.request_streaming and handler.response_streaming:
        return handler.stream_stream, grpc.stream_stream_rpc_method_handler
    if handler.request_streaming:
        return handler.stream_unary, grpc.stream_unary_rpc_method_handler
    if handler.response_streaming:
        return handler.unary_stream, grpc.unary_stream_rpc_method_handler
    return handler.unary_unary, grpc.unary_unary_rpc_method_handler
