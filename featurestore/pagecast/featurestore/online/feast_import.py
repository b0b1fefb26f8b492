"""Importing Feast takes 9.5 s of CPU where torch is installed, 1.6 s this way (Zen 4, 0.67)."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def import_feast() -> None:
    """Imports Feast without the parts of it that we do not use.

    These are torch (Feast's export of training data to tensors), which a server must not load, and
    run-time type checks of its definitions, for which typeguard recompiles them. Both are as before
    afterwards. No other thread should be importing torch meanwhile.
    """
    if "feast" not in sys.modules:
        with _without_torch(), _without_type_checks(), _without_shared_metrics():
            __import__("feast")


@contextmanager
def _without_torch() -> Iterator[None]:
    if "torch" in sys.modules:
        yield
        return
    # None makes an import fail as if the package were not installed: Feast expects that.
    sys.modules["torch"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["torch"]


@contextmanager
def _without_shared_metrics() -> Iterator[None]:
    """Feast sets variables that make processes share metric files; ours, and children, do not."""
    names = ("PROMETHEUS_MULTIPROCESS_DIR", "PROMETHEUS_MULTIPROC_DIR")
    before = {name: os.environ.get(name) for name in names}
    # Whether values are shared is decided when the client library is first imported.
    __import__("prometheus_client")
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)


@contextmanager
def _without_type_checks() -> Iterator[None]:
    import typeguard

    checked = typeguard.typechecked
    typeguard.typechecked = _unchecked
    try:
        yield
    finally:
        typeguard.typechecked = checked


def _unchecked(target: Any = None, **_: Any) -> Any:
    return _unchecked if target is None else target
