"""A model that begins from another knows what that one knew, and new names."""

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from trainer.factories_base import base_of, without
from trainer.factories_trainer import SMALL

from pagecast.featurestore.prompt.vocabulary import Vocabulary
from pagecast.trainer.data.dataset import Dataset, catalog_features
from pagecast.trainer.network.model import PageModel
from pagecast.trainer.network.tower import CLOSED
from pagecast.trainer.start_config import StartConfig
from pagecast.trainer.starts.base import Base
from pagecast.trainer.starts.growth import grown
from pagecast.trainer.starts.warm_start import warm_start

NEW = ("e3", "e20")

CLOSED_TABLES = frozenset(f"tower.{name}.weight" for name in CLOSED)

FALLBACK = StartConfig(new_entities="fallback")


@pytest.fixture(scope="module")
def rich(dataset: Dataset) -> Vocabulary:
    """Names of every sort, so that every table has rows."""
    return dataclasses.replace(
        dataset.vocabulary,
        languages=("de", "fr", "pt"),
        origins=("DE", "FR"),
        people=("Ada", "Grace", "Zoe"),
        surfaces=("home", "search"),
        embeddings=(("image", 2), ("text", 3)),
    )


def begun(
    dataset: Dataset, base: Base, now: Vocabulary, start: StartConfig = FALLBACK
) -> tuple[PageModel, Vocabulary]:
    counts = dict(zip(now.entities, now.entity_interactions, strict=True))
    vocabulary = grown(base.vocabulary, now, counts)
    torch.manual_seed(1)
    model = PageModel(base.model.config, vocabulary)
    features = catalog_features(dataset.catalog, vocabulary)
    warm_start(model, vocabulary, features, base, start, seed=0)
    return model.eval(), vocabulary


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_whatever_the_base_lacks_what_it_knows_stays_as_it_is(
    dataset: Dataset, rich: Vocabulary, data: st.DataObject
) -> None:
    names = [*rich.entities, *rich.rows, *rich.genres, *rich.languages, *rich.people, *rich.origins]
    lacking = data.draw(st.sets(st.sampled_from(names)))
    base = base_of(dataset, without(rich, lacking))
    model, vocabulary = begun(dataset, base, rich)
    assert_known_alike(base, model, vocabulary)


def assert_known_alike(base: Base, model: PageModel, vocabulary: Vocabulary) -> None:
    """Every value of every table under the name it had."""
    was = base.vocabulary
    for name in ("entities", "rows", "genres", "languages", "people", "origins"):
        known = len(getattr(was, name))
        assert getattr(vocabulary, name)[:known] == getattr(was, name)
    entities, rows, people = len(was.entities) + 1, len(was.rows) + 1, len(was.people) + 1
    tower, before = model.tower, base.model.tower
    assert torch.equal(tower.input.id.weight[:entities], before.input.id.weight)
    assert torch.equal(tower.output.id.weight[:entities], before.output.id.weight)
    assert torch.equal(tower.person.name.weight[:people], before.person.name.weight)
    assert torch.equal(model.row_output_RD[:rows], base.model.row_output_RD)
    assert torch.equal(tower.genre.weight[:, : len(was.genres) + 1], before.genre.weight)
    for field, (size, offset) in enumerate(
        zip(was.field_sizes(), base.model.field_offset_F.tolist(), strict=True)
    ):
        at = int(model.field_offset_F[field])
        block = model.fields.weight[at : at + size]
        assert torch.equal(block, base.model.fields.weight[offset : offset + size])


def test_with_nothing_new_it_is_the_base(dataset: Dataset, rich: Vocabulary) -> None:
    base = base_of(dataset, rich)
    model, vocabulary = begun(dataset, base, rich)
    assert vocabulary == rich
    features = catalog_features(dataset.catalog, rich)
    for now, then in zip(
        model.embed_entities(features), base.model.embed_entities(features), strict=True
    ):
        assert torch.equal(now, then)
    weights = base.model.state_dict()
    for name, value in model.state_dict().items():
        # A year that nobody has seen yet begins as the one that stands for it.
        assert name in CLOSED_TABLES or torch.equal(value, weights[name]), name


def test_new_names_begin_as_the_fallback_of_their_type(dataset: Dataset, rich: Vocabulary) -> None:
    base = base_of(dataset, without(rich, {*NEW, "top", "Comedy", "fr", "Zoe"}))
    model, vocabulary = begun(dataset, base, rich)
    tower = model.tower
    for name in NEW:
        row = vocabulary.entity_ids[name]
        assert torch.equal(tower.input.id.weight[row], base.model.tower.input.id.weight[0])
        assert torch.equal(tower.output.id.weight[row], base.model.tower.output.id.weight[0])
    assert torch.equal(model.row_input_RD[vocabulary.row_ids["top"]], model.row_input_RD[0])
    assert torch.equal(
        tower.genre.weight[:, vocabulary.genre_ids["Comedy"]], tower.genre.weight[:, 0]
    )
    french = vocabulary.language_ids["fr"]
    assert torch.equal(tower.language.weight[french], tower.language.weight[0])
    assert not tower.person.name.weight[vocabulary.person_ids["Zoe"]].any()


def test_entities_that_are_new_are_presented_as_the_base_presented_them(
    dataset: Dataset, rich: Vocabulary
) -> None:
    """The very embedding of an entity that the base's server has placed by its metadata alone."""
    base = base_of(dataset, without(rich, NEW))
    model, vocabulary = begun(dataset, base, without(rich, ()))
    features = catalog_features(dataset.catalog, vocabulary)
    then = catalog_features(dataset.catalog, base.vocabulary)
    new_E = features["id_E"] > len(base.vocabulary.entities)
    assert int(new_E.sum()) == len(NEW)
    now_ED = model.embed_entities({**features, "age_EA": then["age_EA"]})[1]
    assert torch.equal(now_ED, base.model.embed_entities(then)[1])


@pytest.mark.parametrize("policy", ["similar", "mean"])
def test_a_new_entity_may_begin_near_others(
    dataset: Dataset, rich: Vocabulary, policy: str
) -> None:
    base = base_of(dataset, without(rich, NEW))
    start = StartConfig(new_entities=policy, noise=0.0, similar_max=3)  # type: ignore[arg-type]
    model, vocabulary = begun(dataset, base, rich, start)
    table = model.tower.output.id.weight
    known = table[1 : len(base.vocabulary.entities) + 1]
    row = table[vocabulary.entity_ids["e3"]]
    assert not torch.equal(row, table[0])
    if policy == "mean":
        torch.testing.assert_close(row, known.mean(0))
    else:
        assert torch.linalg.lstsq(known.T, row[:, None]).solution.abs().sum() > 0


def test_similar_entities_are_those_of_the_same_metadata(dataset: Dataset) -> None:
    """e3 is of e0's genre and of a year that others share."""
    base = base_of(dataset, without(dataset.vocabulary, NEW))
    one = StartConfig(new_entities="similar", similar_max=1)
    model, vocabulary = begun(dataset, base, dataset.vocabulary, one)
    table = model.tower.output.id.weight
    row = table[vocabulary.entity_ids["e3"]]
    ids = vocabulary.entity_ids
    alike = [e for e in base.vocabulary.entities if torch.equal(table[ids[e]], row)]
    assert len(alike) == 1
    genre = {e.entity_id: (e.genres, year(e.released_at_ms)) for e in dataset.catalog.entities}
    assert genre[alike[0]] == genre["e3"]


def test_noise_is_as_wide_as_told(dataset: Dataset) -> None:
    base = base_of(dataset, without(dataset.vocabulary, NEW))
    rows: list[Tensor] = []
    for noise in (0.0, 0.1):
        start = StartConfig(new_entities="mean", noise=noise)
        model, vocabulary = begun(dataset, base, dataset.vocabulary, start)
        rows.append(model.tower.input.id.weight.detach()[vocabulary.entity_ids["e3"]])
    spread = base.model.tower.input.id.weight.detach()[1:].std(0)
    assert 0 < float(((rows[1] - rows[0]) / spread).abs().max()) < 0.1 * 5


def test_a_year_that_is_new_begins_as_the_one_that_stood_for_it(dataset: Dataset) -> None:
    base = base_of(dataset, dataset.vocabulary)
    seen = base.model.tower.seen_year
    model, _ = begun(dataset, base, dataset.vocabulary)
    assert torch.equal(model.tower.year.weight, base.model.tower.year.weight[seen])


def test_a_new_content_embedding_adds_nothing_yet(dataset: Dataset, rich: Vocabulary) -> None:
    fewer = dataclasses.replace(rich, embeddings=(("text", 3),))
    base = base_of(dataset, fewer)
    model, vocabulary = begun(dataset, base, rich)
    assert vocabulary.embeddings == (("text", 3), ("image", 2))
    text, image = model.tower.content.projections
    assert torch.equal(text.weight, base.model.tower.content.projections[0].weight)  # type: ignore[arg-type]
    assert not any(parameter.any() for parameter in image.parameters())


def test_a_conditioned_head_grows_on_both_sides(dataset: Dataset, rich: Vocabulary) -> None:
    config = dataclasses.replace(SMALL.model, conditioned_head=True)
    base = base_of(dataset, without(rich, {"Comedy", "fr"}), config)
    model, vocabulary = begun(dataset, base, rich)
    assert model.head.condition is not None
    assert base.model.head.condition is not None
    genres, known = len(vocabulary.genres) + 1, len(base.vocabulary.genres) + 1
    now, was = model.head.condition.weight, base.model.head.condition.weight
    assert torch.equal(now[:, :known], was[:, :known])
    languages = len(base.vocabulary.languages) + 1
    assert torch.equal(now[:, genres : genres + languages], was[:, known:])


def year(at_ms: int | None) -> int:
    assert at_ms is not None
    return 1970 + int(at_ms / 1000 / 86400 / 365.2425)
