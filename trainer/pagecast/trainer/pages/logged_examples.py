"""The logged pages of a training: which are examples, and whose users need no constructed ones."""

from collections.abc import Iterator

from pydantic import JsonValue

from pagecast.trainer.batches.batch import CutPage
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.data.dataset import Dataset
from pagecast.trainer.data.snapshot import NothingToTrainError
from pagecast.trainer.data.users import Window
from pagecast.trainer.pages.constructed import Origin, PageRow
from pagecast.trainer.pages.imitation import imitated
from pagecast.trainer.pages.presentation import Places, estimate
from pagecast.trainer.pages.scored import ScoredPage, scored_pages
from pagecast.trainer.pages.shown import ShownPage


class LoggedExamples:
    """Logged pages by their windows; none if the config wants constructed ones alone.

    `imitated` are the windows of pages that pretraining imitates, `impressed` of all that were
    seen. Raises NothingToTrainError if logged pages alone are asked for and pretraining has none.
    """

    def __init__(self, data: Dataset, config: TrainConfig, *, next_row: int) -> None:
        self._config, self._data, self._next_row = config, data, next_row
        wanted = config.pages_from != "constructed"
        keep = config.model.compress_keep
        self._pages = list(scored_pages(data, config.reward, keep)) if wanted else []
        self.presentation = estimate(
            map(_places, data.shown.pages if wanted else ()), config.presentation
        )
        self._by_window = {id(page.window): page for page in self._pages}
        self._rows = {id(page.window): self._imitated(page) for page in self._pages}
        self._users = frozenset(page.user_id for page in self._pages)
        self.impressed = [page.window for page in self._pages]
        self.imitated = [page.window for page in self._pages if self._rows[id(page.window)]]
        if config.pages_from == "logged" and not self.imitated:
            raise NothingToTrainError(
                'pages_from is "logged", but there is no logged page with something positive on '
                'it: serve pages and ingest what becomes of them, or train with "both"'
            )

    def page_of(self, window: Window) -> ScoredPage | None:
        """The logged page behind a window; None for a window of a user's history."""
        return self._by_window.get(id(window))

    def constructs(self, user_id: str) -> bool:
        """Whether this user's pages are constructed: those of users without a logged one."""
        return self._config.pages_from != "logged" and user_id not in self._users

    def imitation(self, window: Window) -> CutPage:
        """The page as pretraining's targets."""
        cut = int(window.cuts_C[0])
        return CutPage(cut=cut, rows=self._rows[id(window)], origin=Origin.LOGGED)

    def facts(self) -> dict[str, JsonValue]:
        """For the manifest: what there is to learn from, and how places are seen."""
        facts: dict[str, JsonValue] = {
            "from": self._config.pages_from,
            "logged": len(self.impressed),
            "logged_positive": len(self.imitated),
            "logged_unlike": self._data.shown.unlike,
            "logged_older": self._data.shown.older,
            "users_logged": len(self._users),
            "users_constructed": sum(self.constructs(u.user_id) for u in self._data.users),
        }
        if self._pages:
            facts["presentation"] = self.presentation.facts()
        return facts

    def digested(self) -> Iterator[bytes]:
        """All that an example is made of, for a checkpoint's identity."""
        for page in self._pages:
            yield page.window.fields_TF.tobytes()
            yield page.window.entity_T.tobytes()
            yield repr((page.user_id, page.rows)).encode()

    def _imitated(self, page: ScoredPage) -> list[PageRow]:
        if not page.positive:
            return []
        return imitated(page, self._config.logged, self.presentation, next_row=self._next_row)


def _places(page: ShownPage) -> Places:
    return [[outcome is not None for outcome in row.outcomes] for row in page.rows]
