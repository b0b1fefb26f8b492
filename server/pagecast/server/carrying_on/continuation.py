"""Step 8 of the life of a page: the token that carries it on, on any replica with the same key.

A token holds the page so far and what it is made with. It is signed, so that the server keeps
nothing between calls. The signature is HMAC-SHA256, by Python's `hmac`. The contents are not
secret: a client could only read what it has been shown anyway.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Sequence

import grpc
import structlog

from pagecast.server.rpc.errors import FieldViolation, Refusal
from pagecast.v1 import continuation_pb2

_log = structlog.get_logger(__name__)

CONTINUATION_SECONDS_MAX = 6 * 3600
"""How long a token is valid: an evening. Later a new page is better than more of the old one, and
the model that made it need not be kept any longer."""

CONTINUATION_BYTES_MAX = 16384
"""Length of a token, as `StreamHomepageRequest.continuation`. That of the longest page, 40 rows of
40 entities, takes 12 KiB in a catalog of 268 million; that of 8 rows of 10 a few hundred bytes."""

KEY_CHARACTERS_MIN = 32
"""Length of a key: a shorter one could be guessed from a token."""

_SIGNATURE_BYTES = 32

_PURPOSE = b"pagecast continuation 1\0"
"""Precedes what is signed, so that the same key's signature of anything else is not valid here."""

CONTINUATION_INVALID = "CONTINUATION_INVALID"
CONTINUATION_EXPIRED = "CONTINUATION_EXPIRED"
CONTINUATION_OF_ANOTHER_USER = "CONTINUATION_OF_ANOTHER_USER"
"""Why a token is refused, as clients see it."""

FIELD = "continuation"
"""The field of the request that refusals name."""


def check_keys(keys: str) -> tuple[str, ...]:
    """Splits keys at commas; empty for none. Raises a ValueError that does not show them."""
    listed = tuple(key.strip() for key in keys.split(",")) if keys.strip() else ()
    if any(len(key) < KEY_CHARACTERS_MIN for key in listed):
        raise ValueError(
            f"continuation_key must have at least {KEY_CHARACTERS_MIN} characters,"
            " and so must each of several: make one with `openssl rand -hex 32`"
        )
    return listed


class Continuations:
    """Signs and reads tokens. The first key signs; any of them is accepted."""

    def __init__(
        self, keys: Sequence[str] = (), now_ms: Callable[[], int] = lambda: time.time_ns() // 10**6
    ) -> None:
        if not keys:
            _log.warning(
                "continuations_of_this_process_only",
                remedy="set PAGECAST_CONTINUATION_KEY to the same value on every replica",
            )
        self._keys = [key.encode() for key in keys] or [secrets.token_bytes(32)]
        self._now_ms = now_ms

    def sign(self, page: continuation_pb2.Continuation) -> str:
        """A token, valid for CONTINUATION_SECONDS_MAX from now; writes the expiry into `page`."""
        page.expires_at_ms = self._now_ms() + CONTINUATION_SECONDS_MAX * 1000
        payload = page.SerializeToString()
        return _text(_signature(self._keys[0], payload) + payload)

    def read(self, token: str, user_id: str) -> continuation_pb2.Continuation:
        """Raises Refusal (INVALID_ARGUMENT) unless `token` is the user's and still valid."""
        page = continuation_pb2.Continuation.FromString(self._verified(token))
        if page.user_id != user_id:
            raise _refused(
                CONTINUATION_OF_ANOTHER_USER,
                "is of another user's page: send it with the user it was given to",
            )
        if page.expires_at_ms <= self._now_ms():
            raise _refused(
                CONTINUATION_EXPIRED,
                f"has expired, {CONTINUATION_SECONDS_MAX // 3600} hours after it was given:"
                " ask for a new page",
            )
        return page

    def _verified(self, token: str) -> bytes:
        data = _bytes(token)
        signature, payload = data[:_SIGNATURE_BYTES], data[_SIGNATURE_BYTES:]
        if not any(hmac.compare_digest(_signature(key, payload), signature) for key in self._keys):
            raise _refused(
                CONTINUATION_INVALID,
                "is not signed with this server's key: send it as it was received, and give every"
                " replica the same PAGECAST_CONTINUATION_KEY",
            )
        return payload


class IdsDigest:
    """Digest of the ids of rows and entities, in their order on the page."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, *ids: str) -> None:
        for name in ids:
            # Ids hold no control characters.
            self._hash.update(name.encode() + b"\0")

    def digest(self) -> bytes:
        return self._hash.copy().digest()[:8]


def _signature(key: bytes, payload: bytes) -> bytes:
    return hmac.digest(key, _PURPOSE + payload, "sha256")


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(token: str) -> bytes:
    """Raises Refusal."""
    try:
        data = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except (ValueError, binascii.Error) as error:
        raise _no_token() from error
    # base64 ignores what it does not know, and the last bits of the last character.
    if _text(data) != token:
        raise _no_token()
    return data


def _no_token() -> Refusal:
    return _refused(CONTINUATION_INVALID, "is no continuation: send it as it was received")


def _refused(reason: str, description: str) -> Refusal:
    return Refusal(
        code=grpc.StatusCode.INVALID_ARGUMENT,
        reason=reason,
        message=f"{FIELD} {description}",
        violations=(FieldViolation(path=FIELD, description=description),),
    )
