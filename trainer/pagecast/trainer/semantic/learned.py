"""What semantic IDs are made of: a codebook of what a trained model of entity tokens has learned.

Letters: E entities, V those of the vocabulary, D width, S width of what is coded.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from pagecast.featurestore.prompt.semantic_ids import Codebook
from pagecast.trainer.semantic.residual import learn_codebook

if TYPE_CHECKING:
    from pagecast.trainer.network.model import PageModel

RIDGE = 0.1
"""Ridge of the map from metadata to what is coded, relative to the mean square of a metadata
dimension times the entities: a genre of three entities should not move a launch far."""

_TOKENS = "tower.codes."


@dataclass(frozen=True, kw_only=True, eq=False)
class Learned:
    """A codebook, and the weights by name that place entities outside of it."""

    codebook: Codebook
    weights: Mapping[str, Tensor]


@torch.no_grad()
def learn(teacher: "PageModel", features: Mapping[str, Tensor], codes: int) -> Learned:
    """From a model of entity tokens; `features` are the tower's inputs for the whole catalog.

    What is coded is the teacher's input and output embedding of each entity, as directions: they
    fuse what the entity is (metadata, content embeddings) and who watched it (docs/papers.md 2.2).
    A new entity has no such pair, and the teacher's for an unknown ID would put all new ones beside
    each other; so a ridge regression says where metadata alone would put an entity.
    """
    id_E = features["id_E"]
    known_V = torch.nonzero(id_E > 0)[:, 0]
    known_V = known_V[id_E[known_V].argsort()]
    of_known = {name: feature[known_V] for name, feature in features.items()}
    input_VD, output_VD = teacher.tower(of_known)
    pair = [functional.normalize(input_VD, dim=1), functional.normalize(output_VD, dim=1)]
    fused_VS = torch.cat(pair, dim=1)
    ageless = {**of_known, "age_EA": torch.zeros_like(of_known["age_EA"])}
    weight_SD, bias_S = _ridge(teacher.tower.metadata(ageless), fused_VS)
    metadata = {
        f"tower.{name}": value
        for name, value in teacher.tower.state_dict().items()
        if name.split(".")[0] not in ("input", "output")
    }
    codebook = learn_codebook(np.ascontiguousarray(fused_VS.numpy()), codes)
    return Learned(
        codebook=codebook,
        weights={
            **metadata,
            f"{_TOKENS}to_fused.weight": weight_SD,
            f"{_TOKENS}to_fused.bias": bias_S,
            f"{_TOKENS}centroid_LKS": torch.from_numpy(codebook.centroid_LKS),
            f"{_TOKENS}code_VL": torch.from_numpy(codebook.code_VL),
        },
    )


@torch.no_grad()
def spell_with(model: "PageModel", learned: Learned) -> None:
    """Gives a model of semantic IDs its codebook, and what places entities outside of it."""
    state = model.state_dict()
    for name, weight in learned.weights.items():
        state[name].copy_(weight)


@torch.no_grad()
def named(model: "PageModel", features: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tower's inputs for a whole catalog, with `token_EL` if the model spells entities.

    The server does the same (`engine.embeddings`): new entities are named in the catalog's order.
    """
    if not model.config.semantic:
        return dict(features)
    id_E = features["id_E"]
    new = {name: feature[id_E == 0] for name, feature in features.items()}
    fused_XS, codebook = model.tower.fused(new).numpy(), model.tower.codes.codebook
    token_EL = codebook.assign(id_E.numpy(), codebook.nearest(fused_XS), fused_XS)
    return {**features, "token_EL": torch.from_numpy(token_EL)}


def _ridge(from_VD: Tensor, to_VS: Tensor) -> tuple[Tensor, Tensor]:
    """`weight_SD` and `bias_S` of the least squares, in double precision."""
    mean_D, mean_S = from_VD.double().mean(0), to_VS.double().mean(0)
    centred_VD, wanted_VS = from_VD.double() - mean_D, to_VS.double() - mean_S
    gram_DD = centred_VD.T @ centred_VD
    strength = RIDGE * gram_DD.diagonal().mean().clamp(min=1e-9)
    eye_DD = torch.eye(len(gram_DD), dtype=torch.float64)
    weight_DS = torch.linalg.solve(gram_DD + strength * eye_DD, centred_VD.T @ wanted_VS)
    return weight_DS.T.float(), (mean_S - mean_D @ weight_DS).float()
