"""What the model registry tells, and what it refuses."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pagecast.featurestore.models.verdicts import Verdict

CHAMPION = "champion"
"""The model that serves."""

CHALLENGER = "challenger"
"""The newest model that was registered and not promoted."""


class ModelUnknown(LookupError):  # noqa: N818 - named by what is wrong, as the RPCs' reasons are
    """No model of this version is registered."""


class NoPredecessor(LookupError):  # noqa: N818
    """There is no earlier champion to return to."""


class ModelFreed(LookupError):  # noqa: N818
    """The model is known, but its bundle was removed to make room."""


class ChampionMoved(RuntimeError):  # noqa: N818
    """Another model serves now than the one a model was compared with."""


class GateNotPassed(ValueError):  # noqa: N818
    """The gate has judged the model and does not let it through."""


@dataclass(frozen=True, kw_only=True)
class ModelRecord:
    """A registered model. `bundle` is relative to the bundles directory.

    `verdict` is what the gate said of it, None if it was not asked (`pagecast.trainer.gate`).
    """

    version: str
    bundle: Path
    parent_version: str | None
    created_at_ms: int
    metrics: Mapping[str, float]
    data: Mapping[str, Any]
    aliases: tuple[str, ...]
    code_version: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    verdict: Verdict | None = None
    freed_at_ms: int | None = None


@dataclass(frozen=True, kw_only=True)
class AliasMove:
    """One move of an alias; `version` is None where it was taken away.

    `forced` says that the gate had said no. `note` is why, in the words of whoever moved it.
    """

    alias: str
    version: str | None
    moved_at_ms: int
    moved_by: str
    reason: str
    forced: bool = False
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class MovedFor:
    """Who moves an alias, and why; `reason` is one of the registry's own words."""

    by: str
    reason: str
    forced: bool = False
    note: str = ""
