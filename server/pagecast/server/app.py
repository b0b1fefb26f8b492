"""One server: its services, its doors to the outside, its start and its drain."""

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any
from wsgiref.simple_server import WSGIServer

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from prometheus_client import start_http_server

from pagecast.server.config import ServerConfig
from pagecast.server.events.service import FeatureService
from pagecast.server.experiments.arm_estimates import ReportSource
from pagecast.server.experiments.service import ExperimentService
from pagecast.server.homepage import HomepageService
from pagecast.server.metrics import Metrics
from pagecast.server.models.service import ModelService
from pagecast.server.predictions.service import PredictionService
from pagecast.server.resources import Resources
from pagecast.server.rpc.interceptor import CallsInFlight, RequestInterceptor
from pagecast.server.rpc.listening import Listening, PortTakenError
from pagecast.server.rpc.unnamed_methods import UnnamedMethods
from pagecast.server.trainings.service import TrainingService
from pagecast.v1 import (
    experiment_pb2,
    experiment_pb2_grpc,
    feature_pb2,
    feature_pb2_grpc,
    homepage_pb2,
    homepage_pb2_grpc,
    model_pb2,
    model_pb2_grpc,
    prediction_pb2,
    prediction_pb2_grpc,
    training_pb2,
    training_pb2_grpc,
)

_log = structlog.get_logger(__name__)

REQUEST_BYTES_MAX = 256 * 1024
"""A request is a few hundred bytes; the default of 4 MiB is only useful to an attacker."""

RPCS_MAX = 10_000
"""Open RPCs: the last defence of memory. Slots refuse pages long before."""

PENDING_CALLS_MAX = 20_000
"""Accepted calls whose handler has not begun. At its default of 1,000, grpc-core sheds load itself,
with CANCELLED instead of RESOURCE_EXHAUSTED (docs/facts.md)."""

KEEPALIVE_TIME_MS = 15_000
KEEPALIVE_TIMEOUT_MS = 10_000
"""A client that vanished without a word is noticed, and its slot freed, within 25 s."""

PING_INTERVAL_MIN_MS = 10_000
"""Clients that ping more often are sent away."""

HEALTH_HEADSTART_S = 0.1
"""Between NOT_SERVING and the closing of connections, so that health watchers hear of it."""

STATUS_TIME_S = 0.25
"""Time for the last statuses to leave once no page is in flight."""

_OPTIONS = (
    ("grpc.max_receive_message_length", REQUEST_BYTES_MAX),
    ("grpc.server.max_pending_requests", PENDING_CALLS_MAX),
    ("grpc.server.max_pending_requests_hard_limit", 2 * PENDING_CALLS_MAX),
    ("grpc.keepalive_time_ms", KEEPALIVE_TIME_MS),
    ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", PING_INTERVAL_MIN_MS),
)

_SERVICES = tuple(
    descriptor.full_name
    for module in (
        homepage_pb2,
        feature_pb2,
        model_pb2,
        training_pb2,
        experiment_pb2,
        prediction_pb2,
    )
    for descriptor in module.DESCRIPTOR.services_by_name.values()
)


class PagecastServer:
    """Started once and drained once, in one event loop."""

    def __init__(self, config: ServerConfig) -> None:
        self.metrics = Metrics()
        self.resources: Resources
        self._config = config
        self._calls = CallsInFlight()
        self._health = health.aio.HealthServicer()  # type: ignore[attr-defined] # not in the stubs
        self._server = grpc.aio.server(
            interceptors=[RequestInterceptor(self.metrics, self._calls)],
            # Two servers on one port would share its connections unnoticed.
            options=(*_OPTIONS, ("grpc.so_reuseport", int(config.share_port))),
            maximum_concurrent_rpcs=RPCS_MAX,
        )

    async def start(self) -> Listening:
        """Opens everything, then listens. Raises PortTakenError and what the stores raise."""
        async with AsyncExitStack() as opened:
            opened.push_async_callback(self._server.stop, None)
            self.resources = await asyncio.to_thread(Resources.open, self._config, self.metrics)
            opened.push_async_callback(asyncio.to_thread, self.resources.close)
            self._add_services()
            http = _serve_metrics(self._config.metrics_port, self.metrics)
            opened.callback(http.server_close)
            opened.push_async_callback(asyncio.to_thread, http.shutdown)
            listening = self._bind(http.server_port)
            await self._server.start()
            for service in ("", *_SERVICES):
                await self._health.set(service, health_pb2.HealthCheckResponse.SERVING)
            self._opened = opened.pop_all()
        _log.info("listening", target=listening.target, metrics_port=listening.metrics_port)
        return listening

    async def drain(self, insisted: asyncio.Event) -> None:
        """Refuses new RPCs and lets those in flight end within the grace, or until `insisted`."""
        await self._health.enter_graceful_shutdown()
        _log.info("draining", grace_seconds=self._config.grace_seconds)
        await _first_of(insisted.wait(), asyncio.sleep(HEALTH_HEADSTART_S))
        stopping = asyncio.create_task(self._server.stop(self._config.grace_seconds))
        self._homepage.cut_browses()
        await _first_of(insisted.wait(), self._calls.wait_until_none(), asyncio.shield(stopping))
        await self._server.stop(None if insisted.is_set() else STATUS_TIME_S)
        await stopping
        await self._opened.aclose()
        _log.info("stopped")

    def _add_services(self) -> None:
        resources, config = self.resources, self._config
        server: Any = UnnamedMethods(self._server)
        self._homepage = HomepageService(config, resources, self.metrics)
        homepage_pb2_grpc.add_HomepageServiceServicer_to_server(self._homepage, server)
        feature_pb2_grpc.add_FeatureServiceServicer_to_server(
            FeatureService(
                resources.users, resources.publisher, resources.forgetting, resources.prefixes
            ),
            server,
        )
        model_pb2_grpc.add_ModelServiceServicer_to_server(
            ModelService(resources.registry, resources.registry_calls), server
        )
        training_pb2_grpc.add_TrainingServiceServicer_to_server(
            TrainingService(resources.trainings, resources.registry_calls), server
        )
        experiment_pb2_grpc.add_ExperimentServiceServicer_to_server(
            ExperimentService(
                ReportSource.of(resources.engine, config.state, config.fold, config.rewards),
                resources.registry_calls,
            ),
            server,
        )
        prediction_pb2_grpc.add_PredictionServiceServicer_to_server(
            PredictionService(
                config, resources.servings, resources.predicting, resources.neighbours
            ),
            server,
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        names = (*_SERVICES, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name)
        # It checks what kind of server it is given; one more method to wait for costs little.
        reflection.enable_server_reflection((*names, reflection.SERVICE_NAME), self._server)

    def _bind(self, metrics_port: int) -> Listening:
        host, port = self._config.host, self._config.port
        wanted = Listening(host=host, port=port, metrics_port=metrics_port)
        try:
            return replace(wanted, port=self._server.add_insecure_port(wanted.target))
        except RuntimeError as error:
            raise PortTakenError.of_rpcs(host, port) from error


def _serve_metrics(port: int, metrics: Metrics) -> WSGIServer:
    try:
        http, _ = start_http_server(port, addr="127.0.0.1", registry=metrics.registry)
    except OSError as error:
        raise PortTakenError.of_metrics(port) from error
    return http


async def _first_of(*waits: Coroutine[Any, Any, Any] | asyncio.Future[Any]) -> None:
    """Returns when one of them is done; the others are cancelled."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
