"""Where the broker and the server are: as configured, else the state directory's stack."""

from pagecast.cli.exits import InputError, NotRunningError
from pagecast.cli.settings import Settings
from pagecast.cli.stack.record import read_record
from pagecast.eventlog.bootstrap import Bootstrap
from pagecast.featurestore.state import StatePaths


def bootstrap_servers_or_none(settings: Settings) -> Bootstrap | None:
    """Raises InputError for a wrong `[kafka]`."""
    servers = settings.bootstrap_servers
    if servers is None:
        record = read_record(StatePaths(root=settings.state_dir).run)
        servers = (record and record.bootstrap_servers) or None
    return None if servers is None else settings.kafka.at(servers)


def bootstrap_servers_of_a_stack(settings: Settings) -> Bootstrap | None:
    """None means the broker that a stack starts. Raises InputError for a wrong `[kafka]`."""
    if settings.bootstrap_servers is not None:
        return settings.kafka.at(settings.bootstrap_servers)
    if settings.kafka.is_secured:
        raise InputError(
            f"setting 'kafka.security_protocol': the local broker does not speak "
            f"{settings.kafka.security_protocol}",
            "name bootstrap_servers, or leave [kafka] out",
        )
    return None


def bootstrap_servers(settings: Settings) -> Bootstrap:
    """Raises NotRunningError that says how to get a broker, InputError for a wrong `[kafka]`."""
    servers = bootstrap_servers_or_none(settings)
    if servers is None:
        raise NotRunningError(
            f"no stack runs on {settings.state_dir} and no broker was named",
            "start `pagecast up` in another terminal, or pass --bootstrap-servers",
        )
    return servers


def server_address(settings: Settings) -> str:
    """Raises NotRunningError that says how to get a server."""
    if settings.server_address is not None:
        return settings.server_address
    record = read_record(StatePaths(root=settings.state_dir).run)
    if record is None or not record.server_address:
        raise NotRunningError(
            f"no stack runs on {settings.state_dir} and no server was named",
            "start `pagecast up` in another terminal, or pass --server",
        )
    return record.server_address
