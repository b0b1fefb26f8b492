"""Event ids that are the same for the same event, so that publishing twice changes nothing."""

import hashlib
import uuid

_VERSION_7 = 0x7 << 76
_VARIANT = 0b10 << 62


def event_id(at_ms: int, content: str) -> str:
    """A UUIDv7 (RFC 9562) whose random bits are a digest of `content`."""
    digest = int.from_bytes(hashlib.sha256(content.encode()).digest(), "big")
    random_a = (digest >> 62) & 0xFFF
    random_b = digest & ((1 << 62) - 1)
    return str(uuid.UUID(int=at_ms << 80 | _VERSION_7 | random_a << 64 | _VARIANT | random_b))
