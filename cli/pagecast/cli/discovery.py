"""Where the broker and the server are: what was said, else the stack of the state directory."""

from pagecast.cli.exits import NotRunningError
from pagecast.cli.settings import Settings
from pagecast.cli.stack.record import read_record
from pagecast.featurestore.state import StatePaths


def bootstrap_servers_or_none(settings: Settings) -> str | None:
    if settings.bootstrap_servers is not None:
        return settings.bootstrap_servers
    record = read_record(StatePaths(root=settings.state_dir).run)
    return (record and record.bootstrap_servers) or None


def bootstrap_servers(settings: Settings) -> str:
    """Raises NotRunningError that says how to get a broker."""
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
