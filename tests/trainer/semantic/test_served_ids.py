"""A model of semantic IDs becomes a bundle, and the server's pages are made from its IDs."""

import asyncio
import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from factories import START_MS, genre_row, movie, timestamp, upsert
from grpc.aio import AioRpcError
from rules.factories_rules import facts
from server.factories_server import House, details_of, eventually
from server.predictions.test_service import Asked
from trainer.factories_trainer import SMALL, catalog_changes
from trainer.semantic.test_spelling import spelling_model

from pagecast.engine.batching.prompt_tokens import encode, tokens_of
from pagecast.engine.bundles.bundle import Bundle, load_bundle
from pagecast.engine.decode_options import DecodeOptions
from pagecast.engine.model import Model
from pagecast.engine.page import decode_page
from pagecast.engine.page_events import EntityChosen, PageEvent, RowBegun
from pagecast.engine.semantic.following_ids import following
from pagecast.engine.vectors.embeddings import EntityTable
from pagecast.featurestore.history.history import Action, Profile, Step
from pagecast.featurestore.prompt.prompt import Prompt, RequestHalf
from pagecast.featurestore.prompt.semantic_ids import LEVELS
from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.rules.page_rules import PageRules, compile_rules
from pagecast.rules.standing_row import StandingRow
from pagecast.trainer.data.dataset import Dataset, catalog_features
from pagecast.trainer.export.bundle import BundleFacts, ExportError, load_model, write_bundle
from pagecast.trainer.fitting.forward import Embedded
from pagecast.trainer.network.model import PageModel
from pagecast.trainer.semantic.learned import named
from pagecast.trainer.semantic.search import TrieSearch
from pagecast.trainer.semantic.trie import Trie
from pagecast.v1 import prediction_pb2 as pb

ROWS, PER_ROW = 4, 5


@dataclasses.dataclass(frozen=True)
class Exported:
    """A model, and what became of it."""

    torch: PageModel
    embedded: Embedded
    folder: Path
    bundle: Bundle
    model: Model


@pytest.fixture(scope="module")
def exported(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exported]:
    """Weights far from zero, so that what is compared is no accident."""
    model, embedded = spelling_model(dataset)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for table in (model.tower.codes.input.weight, model.tower.codes.output.weight):
            table.copy_(torch.randn(table.shape, generator=generator))
        features = named(model, catalog_features(dataset.catalog, dataset.vocabulary))
        merged_ED, _ = model.tower(features)
    embedded = dataclasses.replace(embedded, entity_input_ED=merged_ED)
    objective = dataclasses.replace(SMALL.objective, genres=0.1)
    config = dataclasses.replace(SMALL, model=model.config, objective=objective)
    bundles = tmp_path_factory.mktemp("bundles")
    vocabulary = dataset.vocabulary
    told = BundleFacts(data={}, metrics={}, config=config.to_json())
    manifest = write_bundle(bundles, model, vocabulary, told)
    bundle = load_bundle(bundles / manifest.version)
    yield Exported(
        model, embedded, bundles / manifest.version, bundle, Model(bundle, dataset.catalog)
    )


def prompt_of(*entity_ids: str) -> Prompt:
    steps = tuple(
        Step(occurred_at_ms=START_MS + i, action=Action.PLAY_FEATURE, entity_id=e, device="tv")
        for i, e in enumerate(entity_ids)
    )
    return Prompt(profile=Profile(), steps=steps, request=RequestHalf(at_ms=START_MS + 60_000))


def rules_of(model: Model) -> PageRules:
    asked = facts(rows=ROWS, entities_per_row=PER_ROW)
    return compile_rules(CompiledCatalog(model.snapshot), asked, range(20))


def test_the_server_names_entities_as_the_trainer_did(exported: Exported) -> None:
    table = exported.model.entities
    assert table.named is not None
    np.testing.assert_array_equal(table.named.token_NL, exported.embedded.token_EL)
    expected_ED = exported.embedded.entity_input_ED.detach().numpy()
    np.testing.assert_allclose(table.input_ND, expected_ED, atol=1e-4)


def test_names_are_given_anew_only_where_something_new_has_changed(exported: Exported) -> None:
    """It is done under a lock, and the most that changes in a catalog is known."""
    catalog = exported.model.snapshot
    first = EntityTable(exported.bundle, catalog)
    number = catalog.number + 1
    changed = dataclasses.replace(catalog.entities[0], genres=("Comedy",), number=number)
    later = dataclasses.replace(catalog, number=number, entities=(changed, *catalog.entities[1:]))
    second = EntityTable(exported.bundle, later, first)
    assert first.named is not None
    assert second.named is not None
    assert second.changed.tolist() == [0]
    assert second.named.token_NL is first.named.token_NL
    launched = dataclasses.replace(changed, entity_id="launched")
    more = dataclasses.replace(later, number=number + 1, entities=(*later.entities, launched))
    third = EntityTable(exported.bundle, more, second).named
    assert third is not None
    assert len(third.token_NL) == len(first.named.token_NL) + 1
    assert (third.token_NL[:-1, :LEVELS] == first.named.token_NL[:, :LEVELS]).all()


def test_the_codebook_is_in_the_bundle_under_its_version(exported: Exported) -> None:
    assert exported.bundle.spelling is not None
    version = exported.bundle.spelling.codebook.version
    assert version == exported.torch.tower.codes.codebook.version
    again, _, _ = load_model(exported.folder)
    assert again.tower.codes.codebook.version == version


@torch.no_grad()
def test_probabilities_of_a_page_are_those_of_torch_over_what_is_eligible(
    exported: Exported,
) -> None:
    """The first entity of a page, against the trie of its row's candidates."""
    model, rules, prompt = exported.model, rules_of(exported.model), prompt_of("e1", "e5")
    events = list(decode_page(model, prompt, rules, DecodeOptions(exact_entities=1)))
    row = next(event for event in events if isinstance(event, RowBegun))
    first = next(event for event in events if isinstance(event, EntityChosen))
    tokens_TD = tokens_of(model, encode(model, prompt))
    row_D = model.row_token(row.row, row.argument, tokens_TD[-1])
    candidates_W = rules.candidates_RW[row.row]
    bits = np.unpackbits(candidates_W.view(np.uint8), bitorder="little")
    candidates_C = np.flatnonzero(bits)
    assert exported.embedded.token_EL is not None
    trie = Trie(exported.embedded.token_EL[candidates_C], exported.torch.config.codes)
    fed_TD = torch.from_numpy(np.concatenate([tokens_TD, row_D[None]]))
    score_C = TrieSearch(exported.torch, trie).find(fed_TD).score_N.numpy()
    place = int(np.searchsorted(candidates_C, first.entity))
    assert candidates_C[place] == first.entity
    assert first.log_probability == pytest.approx(float(score_C[place]), abs=1e-3)


@pytest.mark.parametrize("options", [DecodeOptions(), DecodeOptions(temperature=3.0, seed=5)])
def test_a_page_holds_what_the_rules_let_stand_and_nothing_twice(
    exported: Exported, options: DecodeOptions
) -> None:
    rules = rules_of(exported.model)
    events = list(decode_page(exported.model, prompt_of("e1"), rules, options))
    rows = {event.row_position: event.row for event in events if isinstance(event, RowBegun)}
    chosen = [event for event in events if isinstance(event, EntityChosen)]
    assert len(rows) == ROWS
    assert len({event.entity for event in chosen}) == len(chosen)
    for event in chosen:
        words_W = rules.candidates_RW[rows[event.row_position]]
        assert words_W[event.entity // 64] >> np.uint64(event.entity % 64) & np.uint64(1)


@pytest.mark.parametrize("warm", [False, True])
def test_a_recorded_page_is_followed_along_its_ids(exported: Exported, *, warm: bool) -> None:
    model, prompt = exported.model, prompt_of("e1")
    rules, drawn = rules_of(model), DecodeOptions(temperature=3.0, seed=5)
    events = list(decode_page(model, prompt, rules, drawn))
    rows = placed(events)
    followed = following(model, (drawn if warm else DecodeOptions()).picker(), rows, first=0)
    again = list(decode_page(model, prompt, rules, drawn, picker=followed))
    assert placed(again) == placed(events)
    assert len(followed.tokens) == sum(1 + len(row.entities) for row in rows)
    assert all(token.same for token in followed.tokens) == warm
    if warm:
        said = [e.log_probability for e in events if isinstance(e, RowBegun | EntityChosen)]
        assert [token.log_probability for token in followed.tokens] == pytest.approx(said)


def placed(events: Sequence[PageEvent]) -> list[StandingRow]:
    """The page that events make."""
    page: list[StandingRow] = []
    for event in events:
        if isinstance(event, RowBegun):
            page.append(StandingRow(row=event.row, argument=event.argument, entities=()))
        elif isinstance(event, EntityChosen):
            page[-1] = dataclasses.replace(page[-1], entities=(*page[-1].entities, event.entity))
    return page


def test_a_page_that_stands_is_fed_as_it_was_spelled(exported: Exported) -> None:
    tokens_SD = exported.model.entity_tokens([4, 9])
    assert exported.model.entities.named is not None
    token_NL = exported.model.entities.named.token_NL[[4, 9]]
    assert len(tokens_SD) == (token_NL >= 0).sum() > 2 * LEVELS - 1


def test_a_model_that_spells_its_prompt_is_not_exported(dataset: Dataset, tmp_path: Path) -> None:
    config = SMALL.model
    config = dataclasses.replace(config, response="semantic_ids", codes=3, merge_prompt=False)
    model, _ = spelling_model(dataset, config)
    told = BundleFacts(data={}, metrics={}, config={})
    with pytest.raises(ExportError, match="merge_prompt"):
        write_bundle(tmp_path, model, dataset.vocabulary, told)


@pytest.fixture
def house(exported: Exported, tmp_path: Path) -> Iterator[House]:
    """A house in which the model is champion."""
    house = House(tmp_path / "state")
    house.change(*catalog_changes())
    target = house.paths.bundles / exported.folder.name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to(exported.folder)
    house.registry.register(target.name, parent_version=None, metrics={}, data={})
    house.registry.promote(target.name, by="test")
    yield house
    house.close()


def test_a_server_streams_its_pages_and_places_what_is_launched_at_once(house: House) -> None:
    films = [f"w{number}" for number in range(5)]

    async def serve() -> None:
        async with house.serve() as served:
            page = await served.page("stranger", rows=3, entities_per_row=4)
            assert page.started.degraded_reason == ""
            champion = house.registry.resolve("champion")
            assert champion is not None
            assert page.started.model_version == champion.version
            assert [len(row.entities) for row in page.rows] == [4, 4, 4]
            carried = await served.page(
                "stranger", rows=2, entities_per_row=4, continuation=page.rows[-1].continuation
            )
            assert not page.entity_ids & carried.entity_ids
            house.change(
                upsert(genre_row("Western")),
                *(upsert(movie(film, "Western", released_ms=START_MS)) for film in films),
            )
            number = house.catalog.snapshot().number
            await eventually(lambda: served.metric("pagecast_catalog_number") >= number)
            launched = await served.page(
                "stranger", rows=9, entities_per_row=5, requested_at=timestamp(START_MS + 1)
            )
            assert launched.started.degraded_reason == ""
            assert set(films) <= launched.entity_ids

    asyncio.run(serve())


def test_users_and_trained_heads_are_told_and_what_needs_embeddings_is_refused(
    house: House, exported: Exported
) -> None:
    async def ask() -> None:
        async with house.serve() as served:
            asked = Asked(served)
            [genre] = (await asked.next("u1", heads=[pb.PREDICTION_HEAD_GENRE])).predictions
            assert genre.source == pb.PREDICTION_SOURCE_HEAD
            assert 0 < sum(likely.probability for likely in genre.likely) <= 1 + 1e-6
            vector = (await asked.vector("u1")).vector
            assert len(vector) == exported.torch.config.output_width
            for call in (
                asked.next("u1"),
                asked.next("u1", heads=[pb.PREDICTION_HEAD_LANGUAGE]),
                asked.candidates("u1"),
                asked.embeddings("e1"),
                asked.similar("e1"),
            ):
                with pytest.raises(AioRpcError) as failed:
                    await call
                assert details_of(failed.value)["ErrorInfo"].reason == "MODEL_SPELLS_ENTITIES"

    asyncio.run(ask())
