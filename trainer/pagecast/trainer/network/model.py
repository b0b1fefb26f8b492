"""The model: fused steps in, row and entity tokens out, untied heads (docs/architecture.md).

Letters: B batch, T positions of a prompt, F fields, E entities, R rows + 1 (0 is the fallback),
D width.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from pagecast.featurestore.prompt.vocabulary import Vocabulary
from pagecast.trainer.config import ModelConfig
from pagecast.trainer.network.decoder import Decoder
from pagecast.trainer.network.heads import OutputHead
from pagecast.trainer.network.merger import StepMerger
from pagecast.trainer.network.tower import INITIAL_STD, EntityTower


class PageModel(nn.Module):
    """The parts that a bundle's graphs and tables are made of."""

    field_offset_F: Tensor

    def __init__(
        self, config: ModelConfig, vocabulary: Vocabulary, *, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.config = config
        sizes = vocabulary.field_sizes()
        self.fields = nn.Embedding(sum(sizes), config.d_model)
        self.register_buffer(
            "field_offset_F",
            torch.tensor([sum(sizes[:f]) for f in range(len(sizes))]),
            persistent=False,
        )
        rows = len(vocabulary.rows) + 1
        self.row_input_RD = nn.Parameter(torch.empty(rows, config.d_model))
        self.row_output_RD = nn.Parameter(torch.empty(rows, config.output_width))
        self.tower = EntityTower(config, vocabulary)
        self.decoder = Decoder(config, dropout)
        self.dropout = nn.Dropout(dropout)
        self.merger = StepMerger(config.d_model) if config.compress_keep else None
        self.apply(_initialise)
        if self.merger is not None:
            self.merger.begin_as_mean()
        if config.semantic:
            self.tower.codes.begin_as_sum()
            for frozen in (*self.tower.metadata_layers(), self.tower.codes.to_fused):
                frozen.requires_grad_(False)
        for table_RD in (self.row_input_RD, self.row_output_RD):
            nn.init.normal_(table_RD, std=INITIAL_STD)
        self.head = OutputHead(config, vocabulary)

    def embed_entities(self, features: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Returns `input_ED` and `output_ED`."""
        embeddings: tuple[Tensor, Tensor] = self.tower(features)
        return embeddings

    def embed_steps(self, entity_BTD: Tensor, fields_BTF: Tensor) -> Tensor:
        """Fuses each position of a prompt: its entity plus the sum of its fields."""
        return self.embed_fields(fields_BTF) + entity_BTD

    def embed_old(self, entity_BGMD: Tensor, fields_BGMF: Tensor) -> Tensor:
        """`merged_BGD`: one position for each group of old steps.

        Raises ValueError for a model that does not compress.
        """
        if self.merger is None:
            raise ValueError("a model with compress_keep 0 merges no steps")
        merged_BGD: Tensor = self.merger(self.embed_fields(fields_BGMF) + entity_BGMD)
        return merged_BGD

    def embed_fields(self, fields_XF: Tensor) -> Tensor:
        """`fused_XD`: the sum of the embeddings of each position's fields; X are any axes."""
        index_XF = fields_XF + self.field_offset_F
        if torch.compiler.is_exporting():
            fused_XD: Tensor = self.fields(index_XF).sum(dim=-2)
            return fused_XD
        # Takes a third of the time: the fields' embeddings are never held one by one.
        bag_ND = functional.embedding_bag(index_XF.flatten(0, -2), self.fields.weight, mode="sum")
        summed_XD: Tensor = bag_ND.unflatten(0, index_XF.shape[:-1])
        return summed_XD


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=INITIAL_STD)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
