"""Which rows of tables of names an incremental run may move: those of what it learns from.

Everything in the catalog competes in a softmax, so every entity gets a gradient from every step:
without this, a short run would push down all that it does not learn from.

Letters: E entities of the catalog, V rows of a table.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pagecast.trainer.data.dataset import Dataset
from pagecast.trainer.network.model import PageModel


def touched_rows(
    model: PageModel, data: Dataset, features: Mapping[str, Tensor]
) -> dict[Tensor, Tensor]:
    """True, by table, for the entities of users and pages that are learned from, and their people.

    The fallback of entities is among them: entities are presented as unknown at random.
    """
    touched_E = torch.from_numpy(_touched(data))
    tower = model.tower
    entity_V = torch.zeros(tower.input.id.num_embeddings, dtype=torch.bool)
    entity_V[features["id_E"][touched_E]] = True
    entity_V[0] = True
    person_V = torch.zeros(tower.person.name.num_embeddings, dtype=torch.bool)
    person_V[features["people_EP"][touched_E].flatten()] = True
    return {
        tower.input.id.weight: entity_V,
        tower.output.id.weight: entity_V,
        tower.person.name.weight: person_V,
    }


def _touched(data: Dataset) -> npt.NDArray[np.bool_]:
    """`touched_E`."""
    index = data.catalog.entity_index
    shown = [
        index.get(entity_id, -1)
        for page in data.shown.pages
        for row in page.rows
        for entity_id in row.entity_ids
    ]
    found = [np.array(shown, np.int64)]
    found += [
        user.entity_N
        for user, learned in zip(data.columns, data.learned(), strict=True)
        if len(learned)
    ]
    entity = np.concatenate(found)
    touched_E = np.zeros(len(data.catalog.entities), np.bool_)
    touched_E[entity[entity >= 0]] = True
    return touched_E


def only_rows(gradient: Tensor, moved_V: Tensor) -> Tensor:
    """A coalesced sparse gradient without the rows that are not to move."""
    index_X = gradient.indices()[0]
    kept_X = moved_V[index_X]
    return torch.sparse_coo_tensor(
        index_X[kept_X][None],
        gradient.values()[kept_X],
        gradient.shape,
        is_coalesced=True,
        check_invariants=False,
    )
