import math

import pytest
import torch
from torch import Tensor

from pagecast.trainer.data.launches import LAUNCH_DAYS_MAX, MISSING_RATE, Launches

ENTITIES = 400


def features() -> dict[str, Tensor]:
    """The first half has a hundred times as many interactions as the second."""
    interactions_E = torch.tensor([100.0] * (ENTITIES // 2) + [1.0] * (ENTITIES // 2))
    return {
        "id_E": torch.arange(1, ENTITIES + 1),
        "kind_E": torch.ones(ENTITIES, dtype=torch.long),
        "genres_EG": torch.tensor([[0.0, 1.0]]).repeat(ENTITIES, 1),
        "year_E": torch.full((ENTITIES,), 95),
        "language_E": torch.ones(ENTITIES, dtype=torch.long),
        "maturity_E": torch.ones(ENTITIES, dtype=torch.long),
        "origins_EO": torch.ones(ENTITIES, 4, dtype=torch.long),
        "people_EP": torch.ones(ENTITIES, 8, dtype=torch.long),
        "content_EC": torch.ones(ENTITIES, 3),
        "has_content_EN": torch.ones(ENTITIES, 2),
        "age_EA": torch.stack([torch.full((ENTITIES,), 7.0), torch.log1p(interactions_E)], dim=1),
    }


def draws(launch_rate: float, unknown_rate: float) -> list[dict[str, Tensor]]:
    launches = Launches(features(), launch_rate=launch_rate, unknown_rate=unknown_rate)
    generator = torch.Generator().manual_seed(0)
    return [launches.draw(generator) for _ in range(50)]


def test_launches_are_drawn_by_events() -> None:
    hidden_E = torch.stack([d["id_E"] == 0 for d in draws(0.1, 0.0)]).float().mean(0)
    wanted, others = hidden_E[: ENTITIES // 2].mean(), hidden_E[ENTITIES // 2 :].mean()
    assert wanted > 50 * others
    assert math.isclose(float(hidden_E.mean()), 0.1, abs_tol=0.02)


def test_a_launch_is_new_and_uncounted() -> None:
    for drawn in draws(0.1, 0.0):
        launched_E = drawn["id_E"] == 0
        assert (drawn["age_EA"][launched_E, 0] <= math.log1p(LAUNCH_DAYS_MAX)).all()
        assert (drawn["age_EA"][launched_E, 1] == 0).all()
        assert (drawn["age_EA"][~launched_E, 0] == 7.0).all()


def test_the_unknown_are_drawn_evenly_and_keep_their_age() -> None:
    drawn = draws(0.0, 0.1)
    hidden_E = torch.stack([d["id_E"] == 0 for d in drawn]).float().mean(0)
    assert abs(hidden_E[: ENTITIES // 2].mean() - hidden_E[ENTITIES // 2 :].mean()) < 0.03
    assert all((d["age_EA"][:, 0] == 7.0).all() for d in drawn)
    assert all((d["age_EA"][d["id_E"] == 0, 1] == 0).all() for d in drawn)


def test_unknown_genres_are_presented_as_the_fallback_genre() -> None:
    genres_EG = torch.cat([d["genres_EG"] for d in draws(0.0, 0.0)])
    hidden_E = genres_EG[:, 0] == 1
    assert 0.02 < float(hidden_E.float().mean()) < 0.1
    assert (genres_EG.sum(1) == 1).all()


@pytest.mark.parametrize("name", ["origins_EO", "people_EP"])
def test_names_are_missing_at_random_all_of_an_entity(name: str) -> None:
    names_EW = torch.cat([d[name] for d in draws(0.0, 0.0)])
    hidden_E = (names_EW == 0).all(1)
    assert abs(float(hidden_E.float().mean()) - MISSING_RATE) < 0.02
    assert torch.equal(hidden_E, (names_EW == 0).any(1))


def test_each_content_embedding_is_missing_on_its_own() -> None:
    hidden_EN = torch.cat([d["has_content_EN"] for d in draws(0.0, 0.0)]) == 0
    share = hidden_EN.float().mean(0)
    both = float((hidden_EN[:, 0] & hidden_EN[:, 1]).float().mean())
    assert ((share - MISSING_RATE).abs() < 0.02).all()
    assert abs(both - MISSING_RATE**2) < 0.01


def test_content_is_hidden_without_a_copy_of_the_catalogs_vectors() -> None:
    given = features()
    drawn = Launches(given, launch_rate=0.1, unknown_rate=0.1).draw(torch.Generator())
    assert drawn["content_EC"] is given["content_EC"]


def test_the_features_themselves_stay_as_they_are() -> None:
    given = features()
    launches = Launches(given, launch_rate=0.5, unknown_rate=0.5)
    launches.draw(torch.Generator().manual_seed(0))
    assert all(torch.equal(given[name], value) for name, value in features().items())


def test_some_entities_are_drawn_as_they_are_among_all() -> None:
    """Whoever needs only some of a catalog pays for those, and sees as many launches."""
    launches = Launches(features(), launch_rate=0.1, unknown_rate=0.05)
    some = torch.tensor([0, 1, 2, 399])
    generator = torch.Generator().manual_seed(0)
    drawn = [launches.draw(generator, some) for _ in range(600)]
    assert {len(feature) for feature in drawn[0].values()} == {len(some)}
    hidden_E = torch.stack([d["id_E"] == 0 for d in drawn]).float().mean(0)
    wanted = 1 - (1 - 0.1 * ENTITIES * 100 / (ENTITIES / 2 * 101)) * 0.95
    torch.testing.assert_close(hidden_E[:3], torch.full((3,), wanted), atol=0.08, rtol=0)
    assert abs(float(hidden_E[3]) - 0.05) < 0.04
    known = drawn[0]["id_E"]
    assert set(known.tolist()) <= {0, 1, 2, 3, 400}
