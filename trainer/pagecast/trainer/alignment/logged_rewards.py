"""Logged pages with what they were worth: what reward models are trained on, and judged by.

A page is cut to the size of drawn ones: what lies below was seen by few, and a reward model has to
know pages of the size that it will judge.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.pages.reward import RewardConfig
from pagecast.featurestore.prompt.prompt import Prompt
from pagecast.trainer.alignment.config import AlignConfig
from pagecast.trainer.alignment.members import learned_from, member_weights
from pagecast.trainer.alignment.rollouts import RolloutRow
from pagecast.trainer.pages.constructed import NO_ARGUMENT
from pagecast.trainer.pages.shown import ShownPage, ShownRow


@dataclass(frozen=True, kw_only=True, eq=False)
class RewardedPage:
    """A logged page by catalog indices; `rewards` are of the entities known to have been seen or
    acted upon, `weight` is the page's share of its member's."""

    user_id: str
    prompt: Prompt
    rows: tuple[RolloutRow, ...]
    rewards: dict[int, float]
    weight: float

    @property
    def entities(self) -> list[int]:
        """All entities of the page, in its order."""
        return [entity for row in self.rows for entity in row.entities]

    @property
    def reward(self) -> float:
        """The page's: the sum of its entities' (docs/papers.md 1.4)."""
        return sum(self.rewards.values())


@dataclass(frozen=True, kw_only=True)
class Halves:
    """Pages of the members that are learned from, and of those who judge."""

    learned: tuple[RewardedPage, ...]
    judging: tuple[RewardedPage, ...]


def halves_of(
    pages: Sequence[ShownPage],
    catalog: CatalogSnapshot,
    config: AlignConfig,
    reward: RewardConfig,
) -> Halves:
    """Pages of which something was seen and whose outcome is known, by halves of their members."""
    seen = rewarded_pages(pages, catalog, config, reward)
    salt = config.reward.salt
    return Halves(
        learned=tuple(page for page in seen if learned_from(page.user_id, salt)),
        judging=tuple(page for page in seen if not learned_from(page.user_id, salt)),
    )


def rewarded_pages(
    pages: Sequence[ShownPage],
    catalog: CatalogSnapshot,
    config: AlignConfig,
    reward: RewardConfig,
) -> list[RewardedPage]:
    """Pages, cut, of which something was seen and whose window is over: before that, something may
    still come of what was seen."""
    closed = [page for page in pages if page.closed]
    weight_N = member_weights([page.user_id for page in closed], config.reward.weight_max)
    rewarded = [
        _rewarded(page, float(weight), catalog, config, reward)
        for page, weight in zip(closed, weight_N, strict=True)
    ]
    return [page for page in rewarded if page.rewards]


def _rewarded(
    page: ShownPage,
    weight: float,
    catalog: CatalogSnapshot,
    config: AlignConfig,
    reward: RewardConfig,
) -> RewardedPage:
    rows: list[RolloutRow] = []
    rewards: dict[int, float] = {}
    placed: set[int] = set()
    for row in page.rows[: config.rows_max]:
        entities = _entities(row, placed, catalog, config)
        if not entities:
            continue
        placed.update(entities)
        rows.append(
            RolloutRow(
                row=catalog.row_index.get(row.row_id, len(catalog.rows)),
                argument=catalog.entity_index.get(row.argument_id, NO_ARGUMENT),
                entities=tuple(entities),
            )
        )
        for entity, place in entities.items():
            if (outcome := row.outcomes[place]) is not None:
                rewards[entity] = reward.entity(outcome)
    return RewardedPage(
        user_id=page.user_id, prompt=page.prompt, rows=tuple(rows), rewards=rewards, weight=weight
    )


def _entities(
    row: ShownRow, placed: set[int], catalog: CatalogSnapshot, config: AlignConfig
) -> dict[int, int]:
    """Places in the row by catalog index, without what the catalog lacks or what stands already."""
    entities: dict[int, int] = {}
    for place, name in enumerate(row.entity_ids[: config.entities_max]):
        entity = catalog.entity_index.get(name, -1)
        if entity >= 0 and entity not in placed:
            entities.setdefault(entity, place)
    return entities
