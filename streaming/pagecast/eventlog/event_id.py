"""Ids of events."""

import secrets
import time


def new_event_id(at_ms: int | None = None) -> str:
    """A UUIDv7 (RFC 9562) of a moment, milliseconds since 1970; of now if None.

    Make it once for an event, and send the same one whenever it is sent again.
    """
    moment_ms = time.time_ns() // 1_000_000 if at_ms is None else at_ms
    number = moment_ms << 80 | secrets.randbits(80)
    digits = f"{number & ~(0xF << 76 | 0x3 << 62) | 0x7 << 76 | 0x2 << 62:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
