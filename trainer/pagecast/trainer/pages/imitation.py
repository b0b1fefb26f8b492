"""Logged pages as targets of next-token prediction: what was served, or what was chosen of it.

Only pages with something positive are imitated (docs/papers.md 1.5). Without correction every
token up to the last seen one weighs 1. With it, a seen token weighs by how seldom its place is
seen, an unseen one nothing: on average over pages, that is the whole page as it was served.
"""

from collections.abc import Iterator

from pagecast.trainer.page_config import LoggedConfig
from pagecast.trainer.pages.constructed import NO_ARGUMENT, PageRow
from pagecast.trainer.pages.presentation import Presentation
from pagecast.trainer.pages.scored import ScoredEntity, ScoredPage, ScoredRow


def imitated(
    page: ScoredPage, config: LoggedConfig, presentation: Presentation, *, next_row: int
) -> list[PageRow]:
    """The page's rows as targets, in the configured order; `next_row` holds them by strength."""
    if config.order == "layout":
        return [as_laid_out(row, presentation) for row in page.rows]
    return list(_by_strength(page, config, presentation, next_row))


def as_laid_out(row: ScoredRow, presentation: Presentation) -> PageRow:
    """A row as it was served, each token weighing as the module says."""
    return PageRow(
        row=row.row,
        argument=row.argument,
        entities=tuple(e.entity for e in row.entities),
        weights=tuple(_weight(row, e, presentation) for e in row.entities),
    )


def _by_strength(
    page: ScoredPage, config: LoggedConfig, presentation: Presentation, next_row: int
) -> Iterator[PageRow]:
    """One row of all that was seen, the strongest first, and otherwise as laid out."""
    weights: dict[int, float] = {}
    seen = [(row, e) for row in page.rows for e in row.entities if e.reward is not None]
    for row, entity in sorted(seen, key=lambda placed: -placed[1].strength):
        share = 1.0 if entity.strength else config.exposed_weight
        if share:
            weights[entity.entity] = share * presentation.weight(row.place, entity.place)
    if weights:
        yield PageRow(
            row=next_row,
            argument=NO_ARGUMENT,
            entities=tuple(weights),
            weights=tuple(weights.values()),
        )


def _weight(row: ScoredRow, entity: ScoredEntity, presentation: Presentation) -> float:
    if entity.reward is None and presentation.config.correct:
        return 0.0
    return presentation.weight(row.place, entity.place)
