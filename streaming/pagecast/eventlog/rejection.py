"""Why a record is refused."""

from dataclasses import dataclass
from enum import StrEnum

DETAIL_CHARS_MAX = 512
"""A detail is for people, in a header."""


class Reason(StrEnum):
    """Why a record was refused."""

    TOO_LARGE = "TOO_LARGE"
    MALFORMED = "MALFORMED"
    RULE_BROKEN = "RULE_BROKEN"
    KEY_MISMATCH = "KEY_MISMATCH"
    IN_THE_FUTURE = "IN_THE_FUTURE"
    WRONG_PARTITION = "WRONG_PARTITION"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """Why a record was refused, which field of it (empty: the whole), and what to mend."""

    reason: Reason
    field: str
    detail: str


def rejected(reason: Reason, field: str, detail: str) -> Rejection:
    """A rejection with no more of the detail than people read."""
    return Rejection(reason=reason, field=field, detail=detail[:DETAIL_CHARS_MAX])


def wrong_key(name: str) -> Rejection:
    return rejected(
        Reason.KEY_MISMATCH, "", f"the record's key is not {name}: it must be, for its order"
    )
