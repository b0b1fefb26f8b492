"""What whole pages are worth on held-out futures.

Letters: P pages, E entities of the catalog, C components of a vector.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from pagecast.engine.page_events import EntityChosen, PageEnded, PageEvent, RowBegun
from pagecast.rules.page_rules import DEFAULT_CONFIG
from pagecast.rules.page_state import NO_ARGUMENT
from pagecast.trainer.evaluation.figures.calibration import calibration
from pagecast.trainer.evaluation.figures.intervals import Bootstrap
from pagecast.trainer.evaluation.pages.page_asked import AskedPage, MakePage
from pagecast.trainer.evaluation.pages.page_checker import CheckedCatalog, PageChecker, PlacedRow
from pagecast.trainer.evaluation.pages.viewport import discount, discounts
from pagecast.trainer.evaluation.protocols.interactions import Interactions
from pagecast.trainer.evaluation.reports.page_report import PageFigures
from pagecast.trainer.evaluation.systems.metadata_vectors import Vectors, metadata_vectors
from pagecast.trainer.evaluation.systems.system import Told

BROKEN_TOLD_MAX = 5
"""Broken rules told in words: the first ones; more of them say nothing new."""


@dataclass(frozen=True, kw_only=True, eq=False)
class MadePage:
    """A page as it was made. `probability` is of each entity in its place, None without a model."""

    rows: tuple[PlacedRow, ...]
    probability: tuple[tuple[float, ...], ...]
    finish_reason: int

    @property
    def entities(self) -> list[int]:
        return [entity for row in self.rows for entity in row.entities]


def made(events: Iterable[PageEvent]) -> MadePage:
    """Collects the events of a page. Raises ValueError if it has no end."""
    heads: list[tuple[int, int | None]] = []
    entities: list[list[int]] = []
    probability: list[list[float]] = []
    for event in events:
        match event:
            case RowBegun():
                about = None if event.argument == NO_ARGUMENT else event.argument
                heads.append((event.row, about))
                entities.append([])
                probability.append([])
            case EntityChosen():
                entities[-1].append(event.entity)
                probability[-1].append(math.exp(event.log_probability))
            case PageEnded():
                return MadePage(
                    rows=tuple(
                        PlacedRow(*head, tuple(placed))
                        for head, placed in zip(heads, entities, strict=True)
                    ),
                    probability=tuple(map(tuple, probability)),
                    finish_reason=event.finish_reason,
                )
    raise ValueError("the page has no end")


def page_figures(
    data: Interactions,
    asked: Sequence[AskedPage],
    make: MakePage,
    *,
    says_probabilities: bool,
    told: Told = lambda _: None,
) -> PageFigures:
    """Makes every page and measures it; `says_probabilities` is whether they mean anything."""
    checked = CheckedCatalog(data.catalog)
    pages, broken = list[MadePage](), list[list[str]]()
    for number, one in enumerate(asked):
        page = made(make(one))
        checker = PageChecker(checked, one.facts, one.popular, DEFAULT_CONFIG)
        pages.append(page)
        broken.append(checker.broken(page.rows, page.finish_reason))
        told((number + 1) / len(asked))
    return _figures(data, asked, pages, broken, says_probabilities)


def _figures(
    data: Interactions,
    asked: Sequence[AskedPage],
    pages: Sequence[MadePage],
    broken: Sequence[list[str]],
    says_probabilities: bool,
) -> PageFigures:
    bootstrap = Bootstrap(np.array([one.request.user for one in asked], np.int64))
    together = list(zip(pages, asked, strict=True))
    rows_P = np.array([row_hit_rate(page, one.future) for page, one in together])
    gain_P = np.array([viewport_gain(page, one) for page, one in together])
    vector_EC = metadata_vectors(data.catalog)
    placed = {entity for page in pages for entity in page.entities}
    offered = sum(not entity.retired for entity in data.catalog.entities)
    predicted, real = _predictions(together) if says_probabilities else ([], [])
    return PageFigures(
        pages=len(pages),
        row_hit_rate=float(rows_P.mean()),
        row_hit_rate_interval=bootstrap.interval(rows_P),
        page_hit_rate=float((rows_P > 0).mean()),
        viewport_gain=float(gain_P.mean()),
        viewport_gain_interval=bootstrap.interval(gain_P),
        coverage=len(placed) / max(offered, 1),
        diversity=float(np.mean([diversity(page, vector_EC) for page in pages])),
        rules_kept=float(np.mean([not found for found in broken])),
        broken=tuple(text for found in broken for text in found)[:BROKEN_TOLD_MAX],
        calibration=calibration(predicted, real),
    )


def row_hit_rate(page: MadePage, future: frozenset[int]) -> float:
    """The share of a page's rows that hold something of the future; 0 without rows."""
    hits = [not future.isdisjoint(row.entities) for row in page.rows]
    return sum(hits) / max(len(hits), 1)


def viewport_gain(page: MadePage, asked: AskedPage) -> float:
    """The discounts of the places that hold the future, relative to its best places: 0 to 1."""
    gain = sum(
        discount(row_position, place)
        for row_position, row in enumerate(page.rows)
        for place, entity in enumerate(row.entities)
        if entity in asked.future
    )
    best_P = discounts(asked.facts.rows, asked.facts.entities_per_row)
    return gain / float(best_P[: len(asked.future)].sum())


def diversity(page: MadePage, vector_EC: Vectors) -> float:
    """Mean distance, 1 - cosine of metadata, of two entities of a page; 0 for fewer than two."""
    own_EC = vector_EC[page.entities]
    count = len(own_EC)
    if count < 2:
        return 0.0
    length_E1 = np.linalg.norm(own_EC, axis=1, keepdims=True)
    unit_EC = own_EC / np.where(length_E1 > 0, length_E1, 1.0)
    # The sum over all pairs is the squared length of the sum, less each with itself.
    alike = float((unit_EC.sum(0) ** 2).sum() - (unit_EC**2).sum())
    return 1.0 - alike / (count * (count - 1))


def _predictions(
    together: Iterable[tuple[MadePage, AskedPage]],
) -> tuple[list[float], list[float]]:
    """The probability of each entity placed, and whether it is in the future."""
    predicted, real = list[float](), list[float]()
    for page, one in together:
        for row, probability in zip(page.rows, page.probability, strict=True):
            predicted += probability
            real += [float(entity in one.future) for entity in row.entities]
    return predicted, real
