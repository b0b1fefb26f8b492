"""What post-training says of the tokens of a page: worth showing or not, and how sure to be of it.

For each impressed row and entity with reward r the label is 1 if r > 0, else 0, and the weight is
the size of r (docs/papers.md 1.5); what was passed over, whose reward is 0, has a weight of its
own. Beside every such target stand tokens drawn at random, as negatives: rarely shown ones are
drawn far more often than they are targets, which keeps a few clicks from surfacing them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pagecast.trainer.page_config import PostTrainConfig
from pagecast.trainer.pages.constructed import PageRow
from pagecast.trainer.pages.presentation import Presentation
from pagecast.trainer.pages.scored import ScoredPage, ScoredRow
from pagecast.trainer.post_training.valued import RowValues, Value


@dataclass(frozen=True, kw_only=True)
class Values:
    """Makes values of pages, for a catalog of so many entities and rows."""

    entities: int
    rows: int
    config: PostTrainConfig

    def of_logged(
        self, page: ScoredPage, presentation: Presentation, rng: np.random.Generator
    ) -> tuple[RowValues, ...]:
        """Of a logged page, as laid out: something of what was seen, nothing of the rest."""
        on_page = {e.entity for row in page.rows for e in row.entities}
        rows_on_page = {row.row for row in page.rows}
        return tuple(
            RowValues(
                row=self._with_negatives(
                    self._row_value(row, presentation), self.rows, rows_on_page, rng
                ),
                entities=tuple(
                    self._with_negatives(value, self.entities, on_page, rng)
                    for value in self._entity_values(row, presentation)
                ),
            )
            for row in page.rows
        )

    def of_constructed(
        self, rows: Sequence[PageRow], rng: np.random.Generator
    ) -> tuple[RowValues, ...]:
        """Of a page built from what was chosen: that is positive by its engagement, and nothing is
        known to have been passed over, so the only negatives are drawn ones."""
        on_page = {entity for row in rows for entity in row.entities}
        rows_on_page = {row.row for row in rows}
        return tuple(
            RowValues(
                row=self._with_negatives(_mean_value(row), self.rows, rows_on_page, rng),
                entities=tuple(
                    self._with_negatives(Value(e, 1.0, w), self.entities, on_page, rng)
                    for e, w in zip(row.entities, row.weights, strict=True)
                ),
            )
            for row in rows
        )

    def _row_value(self, row: ScoredRow, presentation: Presentation) -> Value | None:
        weight = self._weight(row.reward, passed_over=row.passed_over)
        return _valued(row.row, row.reward, weight * presentation.row_weight(row.place))

    def _entity_values(self, row: ScoredRow, presentation: Presentation) -> Iterator[Value | None]:
        for e in row.entities:
            weight = self._weight(e.reward, passed_over=e.passed_over)
            yield _valued(e.entity, e.reward, weight * presentation.weight(row.place, e.place))

    def _weight(self, reward: float | None, *, passed_over: bool) -> float:
        return self.config.passed_over_weight if passed_over else abs(reward or 0.0)

    def _with_negatives(
        self, value: Value | None, tokens: int, on_page: set[int], rng: np.random.Generator
    ) -> tuple[Value, ...]:
        """A draw that hits the page itself is dropped."""
        if value is None:
            return ()
        drawn = rng.integers(0, tokens, self.config.random_negatives).tolist()
        weight = self.config.random_negative_weight
        return (value, *(Value(token, 0.0, weight) for token in drawn if token not in on_page))


def _valued(token: int, reward: float | None, weight: float) -> Value | None:
    """None where there is nothing to learn: what was not seen, or is too new to tell."""
    return Value(token, float((reward or 0.0) > 0.0), weight) if weight else None


def _mean_value(row: PageRow) -> Value | None:
    if not row.entities:
        return None
    return Value(row.row, 1.0, sum(row.weights) / len(row.weights))
