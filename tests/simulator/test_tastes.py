"""Tastes come from what real people took up."""

import numpy as np
import pytest
from simulator.factories_simulator import FILMS, PEOPLE, training_data

from pagecast.simulator.data import DataTooSmall, TrainingData
from pagecast.simulator.tastes import factorise


def test_people_like_what_they_took_up_best() -> None:
    data = training_data()
    tastes = factorise(data, 16)
    affinity_UE = tastes.person_UK @ tastes.entity_EK.T
    assert affinity_UE.shape == (PEOPLE, FILMS)
    assert abs(affinity_UE.mean()) < 1e-6
    assert affinity_UE.std() == pytest.approx(1.0)
    own_UE = np.arange(FILMS)[None, :] % 3 == np.arange(PEOPLE)[:, None] % 3
    assert affinity_UE[own_UE].mean() > affinity_UE[~own_UE].mean() + 0.5


def test_tall_and_wide_data_have_tastes() -> None:
    for people, films in ((60, 12), (6, 60)):
        tastes = factorise(training_data(people, films), 4)
        assert tastes.person_UK.shape == (people, 4)
        assert np.isfinite(tastes.person_UK).all()
        assert np.isfinite(tastes.entity_EK).all()


def test_data_of_too_few_people_are_refused() -> None:
    none = np.array([], np.int64)
    with pytest.raises(DataTooSmall, match="interactions of 0 people"):
        TrainingData(
            entity_ids=("a",),
            genres=((),),
            user_N=none,
            entity_N=none,
            value_N=none.astype(np.float64),
        )
