"""The pages of an arm, as they were served: each once, however many records it has.

A page that was carried on has a record per call, and one that was browsed a record per prompt
(docs/logged-pages.md). A user who acts adds records, not pages.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from pagecast.featurestore.experiments.assignment import ARM_MODEL_NOT_LOADED
from pagecast.featurestore.experiments.off_policy import was_drawn
from pagecast.featurestore.experiments.page_quality import Indices
from pagecast.featurestore.pages.logged_pages import LoggedPageOutcome
from pagecast.v1 import events_pb2

Records = Sequence[events_pb2.PageServed]
"""The records of one page, that of its beginning first."""


@dataclass(kw_only=True)
class ArmPages:
    """Pages of an arm; `entities` holds each page's, in order.

    `versions` counts the pages by the arm's own model, "" for those that popularity made, if only
    in part. The champion made those that `fell_back`: its versions do not say where the alias
    pointed.
    """

    versions: Counter[str] = field(default_factory=Counter)
    fell_back: int = 0
    drawn: int = 0
    entities: list[Indices] = field(default_factory=list)

    def add(self, page: Records, entity_E: Indices) -> None:
        beginning = page[0]
        if not all(record.model_version for record in page):
            self.versions[""] += 1
        elif ARM_MODEL_NOT_LOADED in beginning.degraded_reason.split(","):
            self.fell_back += 1
        else:
            self.versions[beginning.model_version] += 1
        self.drawn += was_drawn(beginning)
        self.entities.append(entity_E)


def by_page(logged: Iterable[LoggedPageOutcome]) -> Iterator[list[LoggedPageOutcome]]:
    """The records of each page, which logged pages keep together."""
    for _, records in groupby(logged, lambda record: (record.user_id, record.page_id)):
        yield list(records)


def records_of(logged: Iterable[LoggedPageOutcome]) -> Records:
    """A page's records in its order; none if the record of its beginning is missing.

    Only `rows_before` tells the order: what was carried on soon has the moment of the beginning.
    """
    served = [events_pb2.PageServed.FromString(record.value) for record in logged]
    served.sort(key=lambda record: len(record.rows_before))
    return [] if served[0].rows_before else served


def entities_of(page: Records) -> Sequence[str]:
    """Each once: a stream that broke and was resumed has rows in two records."""
    placed = (e for record in page for row in record.rows for e in row.entity_ids)
    return list(dict.fromkeys(placed))
