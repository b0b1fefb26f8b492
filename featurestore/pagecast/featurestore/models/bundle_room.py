"""Makes room on disk: removes bundles that nothing needs any more, and what killed exports left."""

import shutil
import time
from pathlib import Path

from pagecast.featurestore.models.registry import Registry

VERSIONS_KEPT_MIN = 3
"""The newest versions, whose bundles stay whatever is asked: a rollback must find its files, and so
must a server that is still loading the previous champion."""

UNFINISHED_S_MAX = 3600.0
"""An export takes seconds; a directory this old was left by one that was killed."""

FREED = ".freed-"
"""Prefix of a bundle that is being removed: nobody must find half of one under its name."""

UNFINISHED = ".unfinished-"
"""Prefix of a bundle that is being written (`pagecast.trainer.export.bundle`)."""


def free_bundles(registry: Registry, bundles: Path, keep: int) -> tuple[str, ...]:
    """Removes all bundles but those of the newest `keep` versions and of what is still needed.

    Returns the versions whose directories were removed. The registry is told first, so that none
    of them can be promoted meanwhile; the next call finishes a removal that was interrupted. Raises
    ValueError for a `keep` below VERSIONS_KEPT_MIN.
    """
    if keep < VERSIONS_KEPT_MIN:
        raise ValueError(f"keep is {keep}, must be at least {VERSIONS_KEPT_MIN}")
    removed = []
    for record in registry.free(keep):
        directory = bundles / record.bundle
        if directory.is_dir():
            directory.rename(bundles / f"{FREED}{record.version}")
            removed.append(record.version)
    for leftover in _leftovers(bundles):
        shutil.rmtree(leftover, ignore_errors=True)
    return tuple(removed)


def _leftovers(bundles: Path) -> list[Path]:
    before_s = time.time() - UNFINISHED_S_MAX
    old = [p for p in bundles.glob(f"{UNFINISHED}*") if p.stat().st_mtime < before_s]
    return [*bundles.glob(f"{FREED}*"), *old]
