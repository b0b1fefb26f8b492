"""The newest logged pages, with room for others' beside those of a user who asks for very many."""

from collections import OrderedDict, deque

from pagecast.featurestore.pages.logged_pages import LoggedPageOutcome


class NewestPages:
    """Holds at most `pages_max`, and at most `of_user_max` of one user."""

    def __init__(self, pages_max: int, of_user_max: int) -> None:
        self._pages_max, self._of_user_max = pages_max, of_user_max
        self._pages = OrderedDict[int, LoggedPageOutcome]()
        self._of_user: dict[str, deque[int]] = {}
        self._added = 0

    @property
    def pages(self) -> list[LoggedPageOutcome]:
        """In the order in which they came."""
        return list(self._pages.values())

    @property
    def left_out(self) -> int:
        """How many of the pages that came are not kept."""
        return self._added - len(self._pages)

    def add(self, page: LoggedPageOutcome) -> None:
        """Pages come in the order of time."""
        theirs = self._of_user.get(page.user_id)
        if theirs is not None and len(theirs) == self._of_user_max:
            self._leave_out(theirs[0])
        elif len(self._pages) == self._pages_max:
            self._leave_out(next(iter(self._pages)))
        self._pages[self._added] = page
        self._of_user.setdefault(page.user_id, deque()).append(self._added)
        self._added += 1

    def _leave_out(self, number: int) -> None:
        """The oldest of all, or of a user: of its user it is the oldest either way."""
        user_id = self._pages.pop(number).user_id
        theirs = self._of_user[user_id]
        theirs.popleft()
        if not theirs:
            del self._of_user[user_id]
