"""A plain reward model of pages: what entities earned when seen, and how likely places are seen.

Good enough to take variance out of a doubly robust estimate, which is right even without it.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pagecast.featurestore.pages.logged_pages import LoggedPageOutcome
from pagecast.featurestore.pages.reward import RewardConfig
from pagecast.v1 import events_pb2

PRIOR_IMPRESSIONS = 10.0
"""An entity's own mean is drawn towards the mean of all by this many impressions' worth: with
fewer, one lucky play would decide what an entity is worth."""

Rows = Sequence[Sequence[str]]
"""Entity ids by row, as a page places them."""


@dataclass(frozen=True, kw_only=True)
class PageWorth:
    """Predicts the reward of a page from entities' means, `mean` for one that was never seen."""

    mean: float
    of_entity: dict[str, float]
    seen: dict[tuple[int, int], float]

    @classmethod
    def fit(cls, pages: Iterable[LoggedPageOutcome], rewards: RewardConfig) -> "PageWorth":
        """Fits logged pages; without any, every page is worth 0."""
        earned: dict[str, float] = defaultdict(float)
        impressions: dict[str, int] = defaultdict(int)
        served: dict[tuple[int, int], int] = defaultdict(int)
        seen: dict[tuple[int, int], int] = defaultdict(int)
        for page in pages:
            record = events_pb2.PageServed.FromString(page.value)
            for row, placed in enumerate(record.rows):
                for place in range(len(placed.entity_ids)):
                    served[row, place] += 1
            for one in page.entities:
                earned[one.entity_id] += rewards.entity(one)
                impressions[one.entity_id] += 1
                seen[one.row_position, one.entity_position] += 1
        mean = sum(earned.values()) / max(sum(impressions.values()), 1)
        return cls(
            mean=mean,
            of_entity={
                entity_id: (total + PRIOR_IMPRESSIONS * mean)
                / (impressions[entity_id] + PRIOR_IMPRESSIONS)
                for entity_id, total in earned.items()
            },
            seen={at: seen[at] / count for at, count in served.items()},
        )

    def of(self, rows: Rows) -> float:
        return sum(
            self.seen.get((row, place), 0.0) * self.of_entity.get(entity_id, self.mean)
            for row, entity_ids in enumerate(rows)
            for place, entity_id in enumerate(entity_ids)
        )
