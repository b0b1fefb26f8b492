"""Where embeddings begin for entities that a base model does not know.

Letters: E entities of the catalog, N new ones among them, K known ones, D width, V IDs.
"""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from pagecast.trainer.network.model import PageModel
from pagecast.trainer.start_config import StartConfig

COMPARED_TOGETHER = 256
"""New entities compared with all known ones at a time: bounds memory, a cosine of every pair."""


def begin_newcomers(
    model: PageModel,
    features: Mapping[str, Tensor],
    known: int,
    config: StartConfig,
    seed: int,
) -> None:
    """Fills the IDs behind the first `known`, which already are the fallback's.

    Call it with the base's other weights in place, and without gradients.
    """
    tables = (model.tower.input.id.weight, model.tower.output.id.weight)
    if config.new_entities == "fallback" or len(tables[0]) == known + 1 or not known:
        return
    if config.new_entities == "mean":
        generator = torch.Generator().manual_seed(seed)
        for table_VD in tables:
            _as_mean(table_VD, known, config.noise, generator)
    else:
        _as_similar(model, features, tables, known, config)


def _as_mean(table_VD: Tensor, known: int, noise: float, generator: torch.Generator) -> None:
    known_KD = table_VD[1 : known + 1]
    drawn_ND = torch.randn(table_VD[known + 1 :].shape, generator=generator)
    spread_D = known_KD.std(0, correction=0)
    table_VD[known + 1 :] = known_KD.mean(0) + noise * spread_D * drawn_ND


def _as_similar(
    model: PageModel,
    features: Mapping[str, Tensor],
    tables: tuple[Tensor, Tensor],
    known: int,
    config: StartConfig,
) -> None:
    """If the catalog has no entity that the base knows, new ones stay the fallback."""
    id_E = features["id_E"]
    known_K = torch.nonzero((id_E > 0) & (id_E <= known))[:, 0]
    new_N = torch.nonzero(id_E > known)[:, 0]
    if not len(known_K):
        return
    # All of one age: the only thing in which every new entity differs from the known ones.
    alike = {**features, "age_EA": torch.zeros_like(features["age_EA"])}
    metadata_ED = functional.normalize(model.tower.metadata(alike), dim=1)
    count = min(config.similar_max, len(known_K))
    for some_N in new_N.split(COMPARED_TOGETHER):
        cosine_NK = metadata_ED[some_N] @ metadata_ED[known_K].T
        nearest = cosine_NK.topk(count, dim=1)
        weight_NK = torch.softmax(nearest.values / config.similar_temperature, dim=1)
        ids_NK = id_E[known_K[nearest.indices]]
        for table_VD in tables:
            table_VD[id_E[some_N]] = (weight_NK[..., None] * table_VD[ids_NK]).sum(1)
