"""Which part of a page is decoded in one go, and what it is made from besides what is stored.

`StreamHomepage` makes its page in one part. `BrowseHomepage` makes it in several (`browsing`): each
is the page carried on, with what the client has done meanwhile laid over the history.
"""

from dataclasses import dataclass
from typing import Protocol

from pagecast.featurestore.history.overlay import Actions
from pagecast.server.page.users import STRANGER, User
from pagecast.server.rpc.errors import FEATURE_STORE_UNAVAILABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What is known of a user for a part: `actions` are laid over the history's version,
    `reflected` counts the events of the call that were considered."""

    user: User
    actions: Actions = ()
    reflected: int = 0
    degraded: tuple[str, ...] = ()


class PagePart(Protocol):
    """Both methods are called in threads."""

    @property
    def is_first(self) -> bool:
        """Whether this is the first part the call makes of the page: a page is measured once."""

    def past_of(self, user: User | None) -> Past:
        """What is known, given what was read: `user` is None if the store did not answer."""

    def ends_with(self, rows: int) -> bool:
        """Whether the part ends now that `rows` rows stand on the page."""


class WholePage:
    """A page that is decoded to its end, from what is stored."""

    is_first = True

    def past_of(self, user: User | None) -> Past:
        if user is None:
            return Past(user=STRANGER, degraded=(FEATURE_STORE_UNAVAILABLE,))
        return Past(user=user)

    def ends_with(self, _rows: int) -> bool:
        return False


WHOLE_PAGE = WholePage()


class PartEnded(Exception):  # noqa: N818 - it is news, not an error
    """Ends the decoding of a part after a row; the page is not over."""
