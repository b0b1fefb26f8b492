"""What a failing online store is taken to be: away, or set up wrongly. Needs no client library."""

import sqlite3


class OnlineStoreAway(Exception):  # noqa: N818 - a state, as `BrokerUnavailable` is
    """It does not answer, or cannot take a write now: later it may."""


class OnlineStoreRefused(Exception):  # noqa: N818 - as above
    """It answers and will not serve us: a wrong password, rights, or something else's data."""


STORE_TRANSIENT = (OnlineStoreAway, sqlite3.OperationalError)
"""What is worth another try. An `OnlineStoreRefused` stays until somebody mends it."""
