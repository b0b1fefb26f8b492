"""A page made with a history's kept prefix is the page made without; only what is new is fed."""

import dataclasses
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from engine.factories_batch import Received, batch_of, finish, job_of
from engine.factories_engine import (
    TinyModel,
    placed_rows,
    prompt_of,
    vocabulary_of,
    write_bundle,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from rules.factories_rules import snapshot

from pagecast.engine.batching.page_job import PageJob
from pagecast.engine.batching.prefix_cache import (
    PREFIX_IDLE_SECONDS_MAX,
    PREFIX_POSITIONS_MIN,
    MadeFrom,
    Prefix,
    PrefixCache,
)
from pagecast.engine.batching.prompt_tokens import encode
from pagecast.engine.bundles.bundle import Bundle, load_bundle
from pagecast.engine.model import Model
from pagecast.engine.page_events import PageEnded
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.history.history import Action, Profile, Step
from pagecast.featurestore.prompt.compression import COMPRESSED_TOGETHER as BLOCK
from pagecast.featurestore.prompt.context import Injected
from pagecast.featurestore.prompt.prompt import Prompt

HISTORY = tuple(f"e{i}" for i in range(20))
MINUTE_MS = 60_000
KEEP = 8


@pytest.fixture(scope="module")
def model(bundle: Bundle, catalog: CatalogSnapshot) -> Model:
    return Model(bundle, catalog)


def served(
    model: Model, prefixes: PrefixCache, prompt: Prompt, user_id: str = "ada"
) -> tuple[PageJob, Received]:
    """A page made with what is kept, and kept from."""
    received = Received()
    batch = batch_of(model, prefixes=prefixes)
    job = job_of(model, received, prompt, user_id=user_id, prefixes=prefixes)
    batch.join(job)
    finish(batch)
    assert received.complete
    return job, received


def fed_again(model: Model, prefixes: PrefixCache, prompt: Prompt) -> int:
    """Positions of the prompt that are fed."""
    return len(served(model, prefixes, prompt)[0].tokens_TD)


def later(prompt: Prompt, minutes: int = 5) -> Prompt:
    """The same history at a later request."""
    request = dataclasses.replace(
        prompt.request, at_ms=prompt.request.at_ms + minutes * MINUTE_MS, device="phone"
    )
    return dataclasses.replace(prompt, request=request)


def with_steps(prompt: Prompt, steps: list[Step]) -> Prompt:
    return dataclasses.replace(prompt, steps=tuple(steps))


def changed(catalog: CatalogSnapshot, *indices: int) -> CatalogSnapshot:
    """The next catalog, in which these entities have another genre."""
    entities = list(catalog.entities)
    number = catalog.number + 1
    for i in indices:
        entities[i] = dataclasses.replace(entities[i], genres=("Drama", "Comedy"), number=number)
    return snapshot(entities, catalog.rows, number)


def test_an_unchanged_history_costs_the_request_alone(model: Model) -> None:
    prefixes, prompt = PrefixCache(), prompt_of(*HISTORY)
    assert fed_again(model, prefixes, prompt) == len(HISTORY) + 2
    assert fed_again(model, prefixes, prompt) == 1
    assert fed_again(model, prefixes, later(prompt)) == 1


def test_a_new_event_costs_one_position_more(model: Model) -> None:
    prefixes, prompt = PrefixCache(), prompt_of(*HISTORY)
    served(model, prefixes, prompt)
    at_ms = prompt.steps[-1].occurred_at_ms + MINUTE_MS // 2
    newest = dataclasses.replace(prompt.steps[-1], entity_id="e40", occurred_at_ms=at_ms)
    assert fed_again(model, prefixes, with_steps(prompt, [*prompt.steps, newest])) == 2


def test_a_late_insert_costs_everything_from_its_place_on(model: Model) -> None:
    prefixes, prompt = PrefixCache(), prompt_of(*HISTORY)
    served(model, prefixes, prompt)
    steps = list(prompt.steps)
    at_ms = steps[12].occurred_at_ms - MINUTE_MS // 2
    late = dataclasses.replace(steps[12], entity_id="e50", occurred_at_ms=at_ms)
    fed = fed_again(model, prefixes, with_steps(prompt, [*steps[:12], late, *steps[12:]]))
    assert fed == len(HISTORY) + 3 - (1 + 12)


def test_a_window_that_dropped_its_oldest_steps_keeps_the_profile_alone(model: Model) -> None:
    prefixes, prompt = PrefixCache(), prompt_of(*HISTORY)
    served(model, prefixes, prompt)
    assert fed_again(model, prefixes, with_steps(prompt, list(prompt.steps[5:]))) >= 15


def test_a_changed_entity_costs_everything_from_its_first_step_on(
    model: Model, catalog: CatalogSnapshot
) -> None:
    prefixes, prompt = PrefixCache(), prompt_of(*HISTORY)
    served(model, prefixes, prompt)
    elsewhere = Model(model.bundle, changed(catalog, 55), older=model)
    assert fed_again(elsewhere, prefixes, prompt) == 1
    newer = Model(model.bundle, changed(catalog, 7), older=model)
    assert fed_again(newer, prefixes, prompt) == len(HISTORY) + 2 - (2 + 7)


def test_another_profile_costs_everything(model: Model) -> None:
    prefixes, prompt = PrefixCache(), prompt_of(*HISTORY)
    served(model, prefixes, prompt)
    child = dataclasses.replace(prompt, profile=Profile(maturity_limit=6))
    assert fed_again(model, prefixes, child) == len(HISTORY) + 2


def test_the_request_is_never_kept(model: Model) -> None:
    prefixes, prompt = PrefixCache(), prompt_of(*HISTORY)
    job, _ = served(model, prefixes, prompt)
    prefix = prefixes.find(job.key, job.made_from)
    assert prefix is not None
    assert prefix.positions == len(HISTORY) + 1


def test_a_context_is_fed_every_time(model: Model) -> None:
    """It is another one tomorrow, and stands between what is kept and the request."""
    prefixes, prompt = PrefixCache(), prompt_of(*HISTORY)
    told = dataclasses.replace(prompt, injected=Injected(new=("e58", "e59"), live=("e57",)))
    assert fed_again(model, prefixes, told) == len(HISTORY) + 2 + 3
    assert fed_again(model, prefixes, told) == 1 + 3
    assert fed_again(model, prefixes, prompt) == 1


def test_steps_that_share_positions_are_kept_until_a_block_is_full(
    tmp_path: Path, catalog: CatalogSnapshot
) -> None:
    """And every page is the page without; a changed step costs its group and what follows."""
    compressing = TinyModel(compress_keep=KEEP)
    path = write_bundle(tmp_path, vocabulary_of(catalog), compressing)
    model, prefixes = Model(load_bundle(path), catalog), PrefixCache()
    life, fed = Life(catalog), []
    for i in range(BLOCK + KEEP - 2):
        life.event(i % 60)
    for _ in range(4):
        fed.append(same_page(model, prefixes, life.prompt()))
        life.event(11)
    assert fed == [BLOCK + KEEP, 2, KEEP + 1 + BLOCK // 4, 2]
    life.steps[5] = dataclasses.replace(life.steps[5], entity_id="e44")
    fed_all = 1 + BLOCK // 4 + KEEP + 2 + 1
    assert same_page(model, prefixes, life.prompt()) == fed_all - (1 + 5 // 4)


def same_page(model: Model, prefixes: PrefixCache, prompt: Prompt) -> int:
    """Positions fed for a page with what is kept, which is the page without."""
    job, kept = served(model, prefixes, prompt)
    _, fresh = served(model, PrefixCache(0), prompt)
    end = fresh.events[-1]
    assert isinstance(end, PageEnded)
    assert placed_rows(kept.events) == placed_rows(fresh.events) or end.near_ties
    return len(job.tokens_TD)


def test_users_and_models_have_nothing_in_common(model: Model) -> None:
    prefixes, prompt = PrefixCache(), prompt_of(*HISTORY)
    job, _ = served(model, prefixes, prompt)
    assert prefixes.find(("bob", model.version), job.made_from) is None
    assert prefixes.find(("ada", "another"), job.made_from) is None


@dataclass
class Life:
    """A user and a catalog to which things happen."""

    catalog: CatalogSnapshot
    steps: list[Step] = field(default_factory=list)
    at_ms: int = 1_800_000_000_000

    def event(self, entity: int) -> None:
        self.at_ms += 3 * MINUTE_MS
        self.steps.append(_step(self.at_ms, entity))

    def late(self, entity: int) -> None:
        place = len(self.steps) // 2
        at_ms = self.steps[place].occurred_at_ms - 1 if self.steps else self.at_ms
        self.steps.insert(place, _step(at_ms, entity))

    def merge(self, entity: int) -> None:
        """A step goes on: it is another one in the same place."""
        if self.steps:
            self.steps[-1] = dataclasses.replace(self.steps[-1], watched_ms=entity * MINUTE_MS)

    def change(self, entity: int) -> None:
        self.catalog = changed(self.catalog, entity)

    def drop(self, _entity: int) -> None:
        del self.steps[:8]

    def prompt(self) -> Prompt:
        self.at_ms += MINUTE_MS
        request = dataclasses.replace(prompt_of().request, at_ms=self.at_ms)
        return Prompt(profile=Profile(), steps=tuple(self.steps), request=request)


def _step(at_ms: int, entity: int) -> Step:
    return Step(
        occurred_at_ms=at_ms, action=Action.PLAY_FEATURE, entity_id=f"e{entity}", device="tv"
    )


HAPPENINGS = st.tuples(
    st.sampled_from(("event", "event", "event", "late", "merge", "change", "drop")),
    st.integers(0, 59),
)


@settings(max_examples=25, deadline=None)
@given(lives=st.lists(st.lists(HAPPENINGS, max_size=12), min_size=1, max_size=5))
def test_pages_are_the_same_with_and_without(
    bundle: Bundle, catalog: CatalogSnapshot, lives: list[list[tuple[str, int]]]
) -> None:
    """Whatever happens between two pages: events, late ones, catalog changes, a full window."""
    life, model, prefixes = Life(catalog), Model(bundle, catalog), PrefixCache()
    for i in range(PREFIX_POSITIONS_MIN):
        life.event(i)
    for happenings in ([], *lives):
        for name, entity in happenings:
            getattr(life, name)(entity)
        model = Model(bundle, life.catalog, older=model)
        prompt = life.prompt()
        same_page(model, prefixes, prompt)


def made_from(model: Model, prompt: Prompt) -> MadeFrom:
    return MadeFrom.of(encode(model, prompt), model.snapshot)


def test_an_entity_with_another_semantic_id_is_another(model: Model) -> None:
    """An ID may change while its entity does not: another one that was named before it did."""
    encoded, entities = encode(model, prompt_of("e1", "e2", "e3")), len(model.snapshot.entities)
    token_NL = np.arange(4 * entities).reshape(entities, 4)
    was = MadeFrom.of(encoded, model.snapshot, token_NL=token_NL)
    assert was.common(MadeFrom.of(encoded, model.snapshot, token_NL=token_NL.copy())) == 5
    token_NL = token_NL.copy()
    token_NL[model.snapshot.entity_index["e2"], 3] += 1
    assert was.common(MadeFrom.of(encoded, model.snapshot, token_NL=token_NL)) == 3


def prefix_of(model: Model, positions: int) -> Prefix:
    caches_YHPK = np.zeros((4, 2, positions, 16), np.float32)
    return Prefix(made_from=made_from(model, prompt_of(*HISTORY)), caches_YHPK=caches_YHPK)


def test_the_least_recently_used_make_room(model: Model) -> None:
    prefix = prefix_of(model, 20)
    prefixes = PrefixCache(bytes_max=3 * prefix.size_bytes)
    for user_id in "abc":
        prefixes.keep((user_id, "m"), prefix, 0)
    prefixes.find(("a", "m"), prefix.made_from)
    prefixes.keep(("d", "m"), prefix, 0)
    found = [user for user in "abcd" if prefixes.find((user, "m"), prefix.made_from)]
    assert found == ["a", "c", "d"]
    assert prefixes.size_bytes == 3 * prefix.size_bytes
    prefixes.keep(("a", "m"), prefix, 0)
    assert (len(prefixes), prefixes.size_bytes) == (3, 3 * prefix.size_bytes)


def test_what_nobody_used_for_an_hour_is_dropped(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefixes, prefix = PrefixCache(), prefix_of(model, 20)
    prefixes.keep(("ada", "m"), prefix, 0)
    prefixes.drop_idle()
    assert len(prefixes) == 1
    now_s = time.monotonic() + PREFIX_IDLE_SECONDS_MAX + 1
    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    prefixes.keep(("bob", "m"), prefix, 0)
    prefixes.drop_idle()
    assert prefixes.keeps(("bob", "m"))
    assert (len(prefixes), prefixes.size_bytes) == (1, prefix.size_bytes)


def test_what_is_too_short_or_too_large_is_not_kept(model: Model) -> None:
    prefixes = PrefixCache(bytes_max=prefix_of(model, 20).size_bytes)
    for positions in (PREFIX_POSITIONS_MIN - 1, 21):
        prefixes.keep(("ada", "m"), prefix_of(model, positions), 0)
        assert (len(prefixes), prefixes.size_bytes) == (0, 0)


def test_what_an_erased_history_left_is_gone_with_the_next_page(model: Model) -> None:
    """On a server that no order has reached."""
    prefixes = PrefixCache()
    served(model, prefixes, prompt_of(*HISTORY))
    job, _ = served(model, prefixes, prompt_of())
    assert job.prefix_positions == 1
    assert (len(prefixes), prefixes.size_bytes) == (0, 0)


def test_what_is_in_no_history_any_more_is_gone_with_the_next_look(model: Model) -> None:
    prefixes, prompt = PrefixCache(), prompt_of(*HISTORY)
    job, _ = served(model, prefixes, prompt)
    shorter = made_from(model, with_steps(prompt, list(prompt.steps[:10])))
    found = prefixes.find(job.key, shorter)
    assert found is not None
    assert found.positions == 1 + 10
    assert found.caches_YHPK.base is None
    assert prefixes.size_bytes == found.size_bytes
    again = prefixes.find(job.key, job.made_from)
    assert again is not None
    assert again.positions == 1 + 10


def test_a_page_in_hand_keeps_nothing_of_a_user_who_was_forgotten(model: Model) -> None:
    prefixes, received = PrefixCache(), Received()
    batch = batch_of(model, prefixes=prefixes)
    batch.join(job_of(model, received, prompt_of(*HISTORY), prefixes=prefixes))
    prefixes.forget("ada")
    finish(batch)
    assert received.complete
    assert len(prefixes) == 0
    served(model, prefixes, prompt_of(*HISTORY))
    assert len(prefixes) == 1


def test_a_user_is_forgotten_of_every_model(model: Model) -> None:
    prefixes, prefix = PrefixCache(), prefix_of(model, 20)
    for key in (("ada", "m"), ("ada", "n"), ("bob", "m")):
        prefixes.keep(key, prefix, 0)
    prefixes.forget("ada")
    assert (len(prefixes), prefixes.size_bytes) == (1, prefix.size_bytes)
    assert prefixes.find(("bob", "m"), prefix.made_from) is not None
