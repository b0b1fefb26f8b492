"""The prompts of served pages, built again from the log: what training on logged pages reads.

The fold, the summary and the prompt are the server's own code, and a page says all that its prompt
was built from: so they are byte for byte the same, and `PageServed.prompt_sha256` proves it.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache

from pagecast.featurestore.catalog.catalog import Catalog
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.history.fold import DEFAULT_FOLD, FoldConfig
from pagecast.featurestore.history.overlay import history_of_page
from pagecast.featurestore.offline import LoggedPage, OfflineLog
from pagecast.featurestore.prompt.point_in_time import histories_as_of
from pagecast.featurestore.prompt.prompt import Prompt
from pagecast.featurestore.prompt.served_prompt import place_of_page, prompt_of_page

CATALOGS_HELD_MAX = 8
"""Catalogs of past numbers held at once: pages served together have few, and one may be large."""


def served_prompts(
    log: OfflineLog,
    catalog: Catalog,
    pages: Sequence[LoggedPage],
    *,
    fold: FoldConfig = DEFAULT_FOLD,
) -> Iterator[tuple[LoggedPage, Prompt]]:
    """The prompt of each page, user by user. `fold` is what ingest was told.

    Raises ValueError for a page whose catalog number is not reached: it is of another database.
    """

    @lru_cache(CATALOGS_HELD_MAX)
    def catalog_at(number: int) -> CatalogSnapshot:
        return catalog.snapshot(number)

    strangers = [page for page in pages if not page.page.HasField("history_version")]
    known = [page for page in pages if page.page.HasField("history_version")]
    for page in strangers:
        done = history_of_page(page.page, None, fold)
        yield page, prompt_of_page(page.page, done, catalog_at(page.page.catalog_number))
    places = [place_of_page(page.page) for page in known]
    for number, history in histories_as_of(log, places, fold=fold):
        page = known[number]
        done = history_of_page(page.page, history, fold)
        yield page, prompt_of_page(page.page, done, catalog_at(page.page.catalog_number))
