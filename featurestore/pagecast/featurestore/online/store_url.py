"""Where a Redis or Valkey online store is: the setting `online_store_url`."""

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

PORT: Final = 6379

FORMS: Final = (
    "redis://[[user]:password@]host[:port][/database] (rediss:// with TLS; both for Valkey, too), "
    "or redis+cluster://[[user]:password@]host[:port][,host[:port]...] (rediss+cluster:// with TLS)"
)

_SCHEMES: Final = {
    # scheme: (TLS, cluster)
    "redis": (False, False),
    "rediss": (True, False),
    "redis+cluster": (False, True),
    "rediss+cluster": (True, True),
}

_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:/@\s]+)(?::(\d{1,5}))?")

_AUTHORITY_FILE: Final = "ssl_ca_certs"


class StoreUrlError(ValueError):
    """The text is no URL of a store. The message names the setting and never holds a password."""


@dataclass(frozen=True, kw_only=True)
class StoreUrl:
    """An address and how to log in. Neither `repr` nor `str` shows the password."""

    hosts: tuple[tuple[str, int], ...]
    """Host and port: of the server, or of the nodes of a cluster that are asked first."""
    tls: bool = False
    cluster: bool = False
    database: int = 0
    """Number of the server's database; a cluster has only 0."""
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    authority_file: str | None = None
    """Certificates to trust instead of the system's: `?ssl_ca_certs=FILE`."""

    @classmethod
    def parse(cls, text: str) -> "StoreUrl":
        """Raises StoreUrlError."""
        try:
            parts = urlsplit(text.strip())
        except ValueError as error:  # its message may quote the password
            raise _error("it cannot be read") from error
        if parts.scheme not in _SCHEMES:
            raise _error(f"its scheme {parts.scheme!r} is unknown" if parts.scheme else "no scheme")
        tls, cluster = _SCHEMES[parts.scheme]
        login, _, hosts = parts.netloc.rpartition("@")
        username, _, password = login.partition(":")
        return cls(
            hosts=_hosts(hosts, cluster),
            tls=tls,
            cluster=cluster,
            database=_database(parts.path, cluster),
            username=unquote(username) or None,
            password=unquote(password) or None,
            authority_file=_authority_file(parts.query, tls),
        )

    def __str__(self) -> str:
        scheme = next(name for name, kind in _SCHEMES.items() if kind == (self.tls, self.cluster))
        hosts = ",".join(f"{host}:{port}" for host, port in self.hosts)
        return f"{scheme}://{hosts}/{self.database}" if self.database else f"{scheme}://{hosts}"


def _error(problem: str) -> StoreUrlError:
    return StoreUrlError(f"online_store_url: {problem}; write it as {FORMS}")


def _hosts(text: str, cluster: bool) -> tuple[tuple[str, int], ...]:
    found = []
    for part in text.split(","):
        match = _HOST.fullmatch(part)
        if match is None:
            raise _error("a host is missing or is not host:port")
        port = int(match[2] or PORT)
        if not 1 <= port <= 65535:
            raise _error(f"port {port} is not from 1 to 65535")
        found.append((match[1].strip("[]"), port))
    if len(found) > 1 and not cluster:
        raise _error("several hosts are a cluster")
    return tuple(found)


def _database(path: str, cluster: bool) -> int:
    number = path.strip("/")
    if not number:
        return 0
    if cluster or not number.isascii() or not number.isdecimal():
        raise _error("after the host may stand only a database's number, and none for a cluster")
    return int(number)


def _authority_file(query: str, tls: bool) -> str | None:
    options = dict(parse_qsl(query))
    file = options.pop(_AUTHORITY_FILE, None)
    if options or (file and not tls):
        raise _error(f"the only option is {_AUTHORITY_FILE}, and it needs TLS")
    return file
