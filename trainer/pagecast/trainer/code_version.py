"""Which code trained a model: a version number alone says nothing of a checkout."""

import functools
import hashlib
from importlib.metadata import version
from pathlib import Path

import pagecast.engine
import pagecast.featurestore
import pagecast.rules
import pagecast.trainer

_PACKAGES = (pagecast.engine, pagecast.featurestore, pagecast.rules, pagecast.trainer)
"""What decides which model comes out of the same data."""


@functools.cache
def code_version() -> str:
    """Package version and a digest of the sources, as `0.1.0+src.3f9a0c12`."""
    sha = hashlib.sha256()
    for package in _PACKAGES:
        for folder in package.__path__:
            for source in sorted(Path(folder).rglob("*.py")):
                sha.update(f"{package.__name__}/{source.relative_to(folder)}\n".encode())
                sha.update(source.read_bytes())
    return f"{version('pagecast')}+src.{sha.hexdigest()[:8]}"
