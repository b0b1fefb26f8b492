"""What the Redis online store asks of the server: conditional writes, in one atomic step each.

A script sees two keys: the user's hash, as Feast lays it out, with a version beside each value;
and the user's fence, the version of a deleted value, kept for a while against late writers.
"""

import hashlib
from typing import Final

from pagecast.featurestore.history.history import HistoryVersion

_OFFSET_DIGITS: Final = 19
"""Of the greatest signed 64-bit number. Lua's numbers are doubles: offsets compare as text."""

_REFUSE_OLDER: Final = """
for i = 1, 2 do
    local held = redis.call('HGET', KEYS[i], ARGV[1])
    if held and string.sub(held, 20) == string.sub(ARGV[2], 20)
            and string.sub(held, 1, 19) > string.sub(ARGV[2], 1, 19) then
        return 0
    end
end
"""
"""ARGV[1] is the version's field, ARGV[2] the version as `version_text` writes it."""

WRITE: Final = _REFUSE_OLDER + "redis.call('HSET', KEYS[1], unpack(ARGV))\nreturn 1\n"
"""Further arguments are the other fields, each with its value."""

DELETE: Final = (
    _REFUSE_OLDER
    + """
redis.call('HDEL', KEYS[1], ARGV[1], unpack(ARGV, 4))
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('EXPIRE', KEYS[2], ARGV[3])
return 1
"""
)
"""ARGV[3] is how many seconds the fence stays; further arguments are the other fields."""


def sha_of(script: str) -> str:
    """The name by which a server knows a script that it has been sent."""
    return hashlib.sha1(script.encode()).hexdigest()


def version_text(version: HistoryVersion) -> str:
    """Offset in fixed width, then the place: the same place if the rest is the same text."""
    return f"{version.next_offset:0{_OFFSET_DIGITS}d}{version.partition}/{version.topic_id}"
