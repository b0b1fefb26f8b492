"""Who is in which arm: a salted hash of the user id, the same wherever and whenever it is made."""

import hashlib
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

ARMS_MAX = 8
"""Arms of one experiment; each divides the users further, and needs a model in memory."""

SHARE_SLACK = 1e-9
"""Ten shares of 0.1, for example, do not sum to exactly 1."""

DAY_MS = 86_400_000

ARM_MODEL_NOT_LOADED = "ARM_MODEL_NOT_LOADED"
"""Why a page is the champion's instead of its arm's, as clients, metrics and reports see it."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_ALIAS = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


class ExperimentInvalid(ValueError):  # noqa: N818 - named by what is wrong, as the RPCs' reasons are
    """An invalid experiment; `field` is named as in `StartExperimentRequest`."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


@dataclass(frozen=True, kw_only=True)
class Arm:
    """A share of all users, whose pages the model under an alias of the registry makes."""

    alias: str
    share: float


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Its shares are of all users, and may leave some out. Raises ExperimentInvalid.

    `outcome_ms` is how long after a user's first page things still count for that user. It is the
    same for all, so that a user's figure no longer changes once it is in the report.
    """

    name: str
    salt: bytes
    arms: tuple[Arm, ...]
    control: str
    outcome_ms: int
    started_at_ms: int
    stopped_at_ms: int | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ExperimentInvalid(
                "name", f"{self.name!r} is not 1 to 64 small letters, digits and '-'"
            )
        if self.outcome_ms <= 0:
            raise ExperimentInvalid("outcome_window", "must be longer than nothing")
        _check_arms(self.arms)
        if self.control not in {arm.alias for arm in self.arms}:
            raise ExperimentInvalid(
                "control", f"{self.control!r} is no arm: name one of {_told(self.arms)}"
            )

    @property
    def treatments(self) -> tuple[str, ...]:
        """The arms that are compared with the control."""
        return tuple(arm.alias for arm in self.arms if arm.alias != self.control)

    def label(self, alias: str) -> str:
        """An arm as pages name it."""
        return f"{self.name}/{alias}"

    def draw(self, user_id: str) -> str | None:
        """The arm of a user, by alias; None for the users that the shares leave out.

        The draw is a number from 0 to 1 that depends only on the salt and the user id; an arm is an
        interval of such numbers.
        """
        digest = hashlib.blake2b(user_id.encode(), key=self.salt, digest_size=8).digest()
        drawn, end = int.from_bytes(digest) / 2**64, 0.0
        for arm in self.arms:
            end += arm.share
            if drawn < end:
                return arm.alias
        return None


def draw_arm(running: Iterable[Experiment], user_id: str) -> tuple[Experiment, str] | None:
    """The experiment a user is in, and the arm; `running` with the oldest first.

    A page is made by one model, so a user is in one experiment at a time: the oldest that draws
    them. Later ones draw from the users who are left, each by its own salt, so that no experiment
    makes another's arms differ.
    """
    for experiment in running:
        alias = experiment.draw(user_id)
        if alias is not None:
            return experiment, alias
    return None


def _check_arms(arms: tuple[Arm, ...]) -> None:
    if not 2 <= len(arms) <= ARMS_MAX:
        raise ExperimentInvalid("arms", f"there are {len(arms)}, must be from 2 to {ARMS_MAX}")
    aliases = [arm.alias for arm in arms]
    for alias in aliases:
        if not _ALIAS.fullmatch(alias):
            raise ExperimentInvalid(
                "arms", f"{alias!r} is not 1 to 32 small letters, digits and '-'"
            )
    if twice := sorted({alias for alias in aliases if aliases.count(alias) > 1}):
        raise ExperimentInvalid("arms", f"{', '.join(twice)} more than once: an arm is one share")
    if wrong := [arm for arm in arms if not (math.isfinite(arm.share) and arm.share > 0)]:
        raise ExperimentInvalid("arms", f"{_told(wrong)}: a share must be above 0")
    total = math.fsum(arm.share for arm in arms)
    if total > 1 + SHARE_SLACK:
        raise ExperimentInvalid("arms", f"{_told(arms)}: the shares sum to {total:g}, above 1")


def _told(arms: Iterable[Arm]) -> str:
    return ", ".join(f"{arm.alias}={arm.share:g}" for arm in arms)
