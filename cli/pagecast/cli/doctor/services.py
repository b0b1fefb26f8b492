"""The broker, the server and the stack that runs them."""

from collections.abc import Iterator

from pagecast.cli.discovery import bootstrap_servers_or_none
from pagecast.cli.doctor.finding import Finding, broken, note, ok
from pagecast.cli.exits import InputError
from pagecast.cli.settings import Settings
from pagecast.cli.stack.record import StackRecord, read_record
from pagecast.eventlog.bootstrap import Bootstrap
from pagecast.featurestore.state import StatePaths

ANSWER_SECONDS_MAX = 3.0
"""A part that does not answer by then is reported, and the next one is checked."""


def look_at_services(settings: Settings) -> Iterator[Finding]:
    record = read_record(StatePaths(root=settings.state_dir).run)
    yield _stack(settings, record)
    try:
        yield _broker(bootstrap_servers_or_none(settings))
    except InputError as error:
        yield broken("broker", str(error), error.remedy)
    yield _server(settings.server_address or (record.server_address if record else ""))


def _stack(settings: Settings, record: StackRecord | None) -> Finding:
    if record is None:
        return note("stack", f"none runs on {settings.state_dir}", "start one with `pagecast up`")
    parts = ", ".join(f"{name} {pid}" for name, pid in record.pids.items())
    return ok("stack", f"process {record.pid} runs {parts or 'nothing yet'}")


def _broker(servers: Bootstrap | None) -> Finding:
    if servers is None:
        return note("broker", "none is named", "start `pagecast up`, or set bootstrap_servers")
    from pagecast.eventlog.admin import topic_ids
    from pagecast.eventlog.errors import EventLogError
    from pagecast.eventlog.topics import TOPICS

    try:
        found = topic_ids(servers, timeout_s=ANSWER_SECONDS_MAX)
    except EventLogError as error:
        return broken(
            "broker", f"{servers}: {error}", "start it, or mend bootstrap_servers (host:port)"
        )
    missing = [topic.name for topic in TOPICS if topic.name not in found]
    if missing:
        return broken(
            "broker",
            f"{servers} has no {', '.join(missing)}",
            "start `pagecast ingest` or `publish` with it: they create the topics",
        )
    return ok("broker", f"{servers} has all {len(TOPICS)} topics")


def _server(address: str) -> Finding:
    if not address:
        return note("server", "none is named", "start `pagecast up`, or set server_address")
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    try:
        with grpc.insecure_channel(address) as channel:
            answer = health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(), timeout=ANSWER_SECONDS_MAX
            )
    except grpc.RpcError as error:
        return broken(
            "server",
            f"{address} does not answer: {error.code().name}",
            "start `pagecast serve`, or mend server_address",
        )
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        return broken("server", f"{address} does not serve", "it may be stopping: start it again")
    return ok("server", f"{address} serves")
