"""Logged pages of an arm that drew, as another policy sees them: input to the estimators.

Each page is rebuilt from its record, as in a replay, and followed under the target: so its
probability there is under the same rules and the same request. Letters: P pages.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import blake2b

import numpy as np

from pagecast.engine.bundles.served_model import (
    ServedBundle,
    ServedModel,
    bind,
    following,
    whole_page,
)
from pagecast.engine.decode_options import DecodeOptions
from pagecast.engine.page_events import EntityChosen, PageEvent, RowBegun, RowEnded
from pagecast.featurestore.catalog.catalog import Catalog
from pagecast.featurestore.experiments.off_policy import GREEDY, DrawnPages, NothingDrawn, was_drawn
from pagecast.featurestore.experiments.page_worth import PageWorth, Rows
from pagecast.featurestore.history.fold import DEFAULT_FOLD, FoldConfig
from pagecast.featurestore.history.history import History
from pagecast.featurestore.history.overlay import history_of_page
from pagecast.featurestore.offline import OfflineLog
from pagecast.featurestore.pages.logged_pages import LoggedPageOutcome
from pagecast.featurestore.pages.reward import RewardConfig
from pagecast.featurestore.prompt.point_in_time import histories_as_of
from pagecast.featurestore.prompt.prompt import Prompt, build_prompt
from pagecast.featurestore.prompt.served_prompt import (
    place_of_page,
    profile_of_page,
    request_half_of_page,
)
from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.rules.page_rules import PageRules
from pagecast.server.experiments.recorded_page import NotReplayable, rows_by_index, rules_of_page
from pagecast.server.page.options import decode_options
from pagecast.v1 import events_pb2

CATALOGS_HELD_MAX = 4
"""Catalogs of past numbers, each with the target bound to it, held at once."""

ORDINARY_REWARDS = RewardConfig()


@dataclass(frozen=True, kw_only=True)
class Target:
    """The policy in question: a model that draws at a temperature above 0.

    If `temperature` is None, that of each logged page: sampling belongs to the request, and the
    target would have had the same one. `dreams` is how many pages of its own the reward model is
    asked about for each logged page.
    """

    bundle: ServedBundle
    temperature: float | None = 1.0
    top_p: float = 1.0
    dreams: int = 1

    def __post_init__(self) -> None:
        if self.temperature is not None and self.temperature <= 0:
            raise ValueError(
                "temperature: must be above 0: of a target that takes the best token every page "
                "but one has probability 0, and no logged page is like it"
            )
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p: must be above 0 and at most 1, is {self.top_p}")

    def options(self, page: events_pb2.PageServed, seed: int) -> DecodeOptions:
        asked = replace(decode_options(page), seed=seed, shortlist=0)
        if self.temperature is None:
            return asked
        return replace(asked, temperature=self.temperature, top_p=self.top_p)


@dataclass(frozen=True, kw_only=True)
class LogOfPages:
    """Where events and catalogs are; `fold` is what ingest was told."""

    log: OfflineLog
    catalog: Catalog
    fold: FoldConfig = DEFAULT_FOLD


def drawn_pages(
    source: LogOfPages,
    logged: Sequence[LoggedPageOutcome],
    target: Target,
    rewards: RewardConfig = ORDINARY_REWARDS,
    *,
    told: Callable[[], None] = lambda: None,
) -> DrawnPages:
    """The drawn logged pages under the target. Raises NothingDrawn and NotReplayable.

    A page's reward model is fitted on the pages of the other half of the users. `told` is called
    after each page; what it raises ends the work.
    """
    drawn = [
        (one, page)
        for one in logged
        if was_drawn(page := events_pb2.PageServed.FromString(one.value))
    ]
    if not drawn:
        raise NothingDrawn(f"none of {len(logged)} pages was drawn: {GREEDY}")
    worths = [
        PageWorth.fit((one for one in logged if _half(one.user_id) != half), rewards)
        for half in (0, 1)
    ]
    found = dict[int, _Seen]()
    for number, seen in _followed(source, [page for _, page in drawn], target, worths):
        found[number] = seen
        told()
    order = range(len(drawn))
    users = {one.user_id: n for n, (one, _) in enumerate(drawn)}
    return DrawnPages(
        user_P=np.array([users[one.user_id] for one, _ in drawn], np.int64),
        reward_P=np.array([rewards.of_page(one.entities) for one, _ in drawn], np.float64),
        log_drawn_P=np.array([_recorded(page) for _, page in drawn], np.float64),
        log_target_P=np.array([found[n].log_probability for n in order], np.float64),
        predicted_P=np.array([found[n].predicted for n in order], np.float64),
        expected_P=np.array([found[n].expected for n in order], np.float64),
    )


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """A page as the target sees it."""

    log_probability: float
    predicted: float
    expected: float


def _followed(
    source: LogOfPages,
    pages: Sequence[events_pb2.PageServed],
    target: Target,
    worths: Sequence[PageWorth],
) -> Iterator[tuple[int, _Seen]]:
    """Yields the page's place among `pages` and the page, user by user."""

    @lru_cache(CATALOGS_HELD_MAX)
    def bound(number: int) -> tuple[CompiledCatalog, ServedModel]:
        try:
            snapshot = source.catalog.snapshot(number)
        except ValueError as error:
            raise NotReplayable(f"a page is of another catalog database: {error}") from error
        return CompiledCatalog(snapshot), bind(target.bundle, snapshot)

    for number, ingested in _histories(source, pages):
        page = pages[number]
        history = history_of_page(page, ingested, source.fold)
        catalog, model = bound(page.catalog_number)
        rules = rules_of_page(page, history, catalog)
        if rules.sha256 != page.rules_sha256:
            raise NotReplayable(
                f"the rules of page {page.page_id} come out otherwise than they were: events of "
                "the user are missing in the offline log, or they were another version's"
            )
        prompt = _prompt(page, history, model)
        yield number, _seen(page, model, prompt, rules, target, worths[_half(page.user_id)])


def _histories(
    source: LogOfPages, pages: Sequence[events_pb2.PageServed]
) -> Iterator[tuple[int, History | None]]:
    known = [n for n, page in enumerate(pages) if page.HasField("history_version")]
    yield from ((n, None) for n, page in enumerate(pages) if not page.HasField("history_version"))
    places = [place_of_page(pages[n]) for n in known]
    for number, history in histories_as_of(source.log, places, fold=source.fold):
        yield known[number], history


def _prompt(page: events_pb2.PageServed, history: History | None, model: ServedModel) -> Prompt:
    """The prompt the target would have had; it may hold more or less than the one that was used."""
    return build_prompt(
        history,
        profile_of_page(page),
        request_half_of_page(page),
        catalog=model.snapshot,
        steps_max=model.bundle.steps_max,
        context=model.bundle.context,
    )


def _seen(
    page: events_pb2.PageServed,
    model: ServedModel,
    prompt: Prompt,
    rules: PageRules,
    target: Target,
    worth: PageWorth,
) -> _Seen:
    options = target.options(page, page.seed)
    recorded = rows_by_index(page.rows, model.snapshot)
    followed = following(model, options.picker(), recorded, first=0)
    for _ in _first_rows(len(recorded), whole_page(model, prompt, rules, options, followed)):
        pass
    dreams = [
        worth.of(_drawn(len(recorded), model, prompt, rules, replace(options, seed=seed)))
        for seed in (_dream_seed(page.page_id, number) for number in range(target.dreams))
    ]
    predicted = worth.of([row.entity_ids for row in page.rows])
    return _Seen(
        log_probability=min(0.0, sum(token.log_probability for token in followed.tokens)),
        predicted=predicted if dreams else 0.0,
        expected=float(np.mean(dreams)) if dreams else 0.0,
    )


def _first_rows(rows: int, events: Iterable[PageEvent]) -> Iterator[PageEvent]:
    """Events up to the end of the first `rows` rows, or of the page."""
    ended = 0
    for event in events:
        yield event
        ended += isinstance(event, RowEnded)
        if ended == rows:
            return


def _drawn(
    rows_max: int, model: ServedModel, prompt: Prompt, rules: PageRules, options: DecodeOptions
) -> Rows:
    """As many rows by the target as were delivered: only delivered rows earned anything."""
    rows: list[list[str]] = []
    for event in _first_rows(rows_max, whole_page(model, prompt, rules, options)):
        if isinstance(event, RowBegun):
            rows.append([])
        elif isinstance(event, EntityChosen):
            rows[-1].append(model.snapshot.entities[event.entity].entity_id)
    return rows


def _dream_seed(page_id: str, number: int) -> int:
    """A seed that no other page has: callers choose seeds, and may simply count up."""
    key = f"{page_id}/{number}".encode()
    return int.from_bytes(blake2b(key, digest_size=8, person=b"dreams").digest())


def _recorded(page: events_pb2.PageServed) -> float:
    said = (p for row in page.rows for p in (row.log_probability, *row.entity_log_probabilities))
    return min(0.0, sum(said))


def _half(user_id: str) -> int:
    """Splits the users evenly, and always in the same way."""
    return blake2b(user_id.encode(), digest_size=1, person=b"off-policy").digest()[0] & 1
