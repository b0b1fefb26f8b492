"""The user encoder and the entity encoder: parts of other models, as torch modules.

Their outputs are published embeddings, through the release's map (`engine.stabilisation`), so a
model fitted on one release reads the same from the next. Gradients reach every weight.
The encoders have graphs of their own in the bundle of a task (`tasks.bundle`).

Letters: B prompts, T positions of the longest, F fields, D width, E entities, P width of published
embeddings.
"""

import torch
from torch import Tensor, nn

from pagecast.engine.vectors.stabilisation import Map, Stabilisation
from pagecast.featurestore.catalog.snapshot import NEXT_ROW
from pagecast.featurestore.prompt.vocabulary import Vocabulary
from pagecast.trainer.network.decoder import HIDDEN
from pagecast.trainer.network.model import PageModel
from pagecast.trainer.network.tower import FEATURES


class UserEncoder(nn.Module):
    """Prompts in, `user_BP` out: the state after [prompt, ROW top], where entities are scored.

    The prompt's positions are those of `featurestore.encoding`, one after another from 0 on; what
    stands at `length_B` and beyond is padding. Raises ValueError for a model that compresses old
    steps: its prompts have groups, which this has no input for.
    """

    user_OP: Tensor

    def __init__(
        self, model: PageModel, vocabulary: Vocabulary, stabilisation: Stabilisation
    ) -> None:
        super().__init__()
        if model.config.compress_keep:
            raise ValueError("compress_keep: the user encoder takes models with 0 only")
        self.model = model
        self.row = vocabulary.row_ids.get(NEXT_ROW, 0)
        self.register_buffer("user_OP", _matrix(stabilisation.user_OP), persistent=False)

    def forward(self, entity_BTD: Tensor, fields_BTF: Tensor, length_B: Tensor) -> Tensor:
        steps_BTD = self.model.embed_steps(entity_BTD, fields_BTF)
        tokens_BUD = nn.functional.pad(steps_BTD, (0, 0, 0, 1))
        every_U = torch.arange(tokens_BUD.shape[1])
        request_BU1 = (every_U == length_B[:, None] - 1)[..., None]
        row_BU1 = (every_U == length_B[:, None])[..., None]
        # A row's token is its embedding plus the request's (docs/model.md).
        request_B1D = (tokens_BUD * request_BU1).sum(1, keepdim=True)
        row_B1D = self.model.row_input_RD[self.row] + request_B1D
        tokens_BUD = torch.where(row_BU1, row_B1D, tokens_BUD)
        bias_1UU = torch.where(every_U <= every_U[:, None], 0.0, HIDDEN)[None]
        hidden_BUD = self.model.decoder.packed(tokens_BUD, every_U[None], bias_1UU)
        hidden_BO = self.model.head((hidden_BUD * row_BU1).sum(1))
        user_BP: Tensor = hidden_BO @ self.user_OP
        return user_BP


class EntityEncoder(nn.Module):
    """Features of entities in (`tower.FEATURES`, in their order), `entity_EP` out."""

    entity_OP: Tensor

    def __init__(self, model: PageModel, stabilisation: Stabilisation) -> None:
        super().__init__()
        self.tower = model.tower
        self.register_buffer("entity_OP", _matrix(stabilisation.entity_OP), persistent=False)

    def forward(self, *features: Tensor) -> Tensor:
        _, output_EO = self.tower(dict(zip(FEATURES, features, strict=True)))
        entity_EP: Tensor = output_EO @ self.entity_OP
        return entity_EP


def _matrix(map_OP: Map) -> Tensor:
    return torch.from_numpy(map_OP).float()
