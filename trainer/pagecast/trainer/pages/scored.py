"""Logged pages in a model's numbers: windows, catalog indices, rewards.

What the catalog lacks today is left out of a page, an unknown row is the fallback row, and an
entity stands where it stands first. Places are those of the page as it was served.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.pages.logged_pages import EntityOutcome
from pagecast.featurestore.pages.reward import RewardConfig
from pagecast.featurestore.prompt.compression import steps_compressed
from pagecast.featurestore.prompt.encoding import encode_prompt
from pagecast.featurestore.prompt.prompt import Prompt
from pagecast.featurestore.prompt.vocabulary import Vocabulary
from pagecast.trainer.data.dataset import Dataset, fallback_row
from pagecast.trainer.data.users import Window, compressed
from pagecast.trainer.pages.constructed import NO_ARGUMENT
from pagecast.trainer.pages.shown import ShownPage, ShownRow

NO_USER = -1
"""`Window.user` of a logged page: its prompt may belong to a user without steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredEntity:
    """An entity of a page by catalog index; `reward` is None if nobody knows whether it was seen.

    `strength` is GenRec's order (docs/papers.md 2.3): 3 completed or purchased, 2 played, 1 acted
    upon otherwise, 0 seen and nothing more, or disliked.
    """

    entity: int
    place: int
    reward: float | None
    strength: int
    passed_over: bool = False
    """Seen, and nothing followed while the page's window was open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredRow:
    """A row of a page by catalog index, at `place`; `reward` is None if none of it was seen."""

    row: int
    argument: int
    place: int
    entities: tuple[ScoredEntity, ...]
    reward: float | None

    @property
    def passed_over(self) -> bool:
        """Whether all that was seen of it was passed over."""
        seen = [entity for entity in self.entities if entity.reward is not None]
        return bool(seen) and all(entity.passed_over for entity in seen)


@dataclass(frozen=True, kw_only=True)
class ScoredPage:
    """A logged page up to the last place that was seen, behind its prompt.

    `window` has one cut, the page's request.
    """

    user_id: str
    window: Window
    rows: tuple[ScoredRow, ...]

    @property
    def positive(self) -> bool:
        """Whether something on it was worth having."""
        return any((e.reward or 0.0) > 0.0 for row in self.rows for e in row.entities)

    @property
    def positions(self) -> int:
        """Tokens of the page."""
        return sum(1 + len(row.entities) for row in self.rows)


def scored_pages(
    data: Dataset, config: RewardConfig, compress_keep: int = 0
) -> Iterator[ScoredPage]:
    """Encodes a data set's logged pages, except those whose seen entities the catalog has lost.

    `compress_keep` is the model's.
    """
    for page in data.shown.pages:
        rows = _until_last_seen(list(_rows(data, page, config)))
        if rows:
            window = prompt_window(page.prompt, data.catalog, data.vocabulary, compress_keep)
            yield ScoredPage(user_id=page.user_id, window=window, rows=tuple(rows))


def _rows(data: Dataset, page: ShownPage, config: RewardConfig) -> Iterator[ScoredRow]:
    placed: set[int] = set()
    for place, row in enumerate(page.rows):
        entities = tuple(_entities(data, row, placed, config, closed=page.closed))
        rewards = [e.reward for e in entities if e.reward is not None]
        if entities:
            yield ScoredRow(
                row=data.catalog.row_index.get(row.row_id, fallback_row(data.catalog)),
                argument=data.catalog.entity_index.get(row.argument_id, NO_ARGUMENT),
                place=place,
                entities=entities,
                reward=config.of_row(rewards) if rewards else None,
            )


def _entities(
    data: Dataset, row: ShownRow, placed: set[int], config: RewardConfig, *, closed: bool
) -> Iterator[ScoredEntity]:
    index = data.catalog.entity_index
    for place, (name, outcome) in enumerate(zip(row.entity_ids, row.outcomes, strict=True)):
        entity = index.get(name, -1)
        if entity < 0 or entity in placed:
            continue
        placed.add(entity)
        reward = None if outcome is None else config.entity(outcome)
        yield ScoredEntity(
            entity=entity,
            place=place,
            reward=reward,
            strength=_strength(outcome) if outcome is not None and (reward or 0.0) > 0.0 else 0,
            passed_over=closed and outcome is not None and outcome.abandoned and reward == 0.0,
        )


def _strength(outcome: EntityOutcome) -> int:
    if outcome.completed or outcome.purchased:
        return 3
    if outcome.played:
        return 2
    return 1


def _until_last_seen(rows: Sequence[ScoredRow]) -> list[ScoredRow]:
    seen = [number for number, row in enumerate(rows) if row.reward is not None]
    if not seen:
        return []
    last = rows[seen[-1]]
    end = max(n for n, entity in enumerate(last.entities) if entity.reward is not None)
    cut = ScoredRow(
        row=last.row,
        argument=last.argument,
        place=last.place,
        entities=last.entities[: end + 1],
        reward=last.reward,
    )
    return [*rows[: seen[-1]], cut]


def prompt_window(
    prompt: Prompt, catalog: CatalogSnapshot, vocabulary: Vocabulary, compress_keep: int
) -> Window:
    """A prompt as a window of one cut, the request; `compress_keep` is the model's."""
    encoded = encode_prompt(prompt, vocabulary)
    index = catalog.entity_index
    whole = Window(
        user=NO_USER,
        first=0,
        entity_T=np.array([index.get(e, -1) for e in encoded.entity_ids], np.int64),
        fields_TF=encoded.fields_TF,
        cuts_C=np.array([len(encoded.entity_ids) - 2], np.int64),
    )
    old = steps_compressed(len(prompt.steps), compress_keep)
    return compressed(whole, old) if old else whole
