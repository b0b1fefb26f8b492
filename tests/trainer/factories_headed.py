"""A decode graph with every possible product, made once for the tests that round it."""

from dataclasses import dataclass, replace

import torch
from trainer.factories_trainer import SMALL

from pagecast.featurestore.prompt.vocabulary import Vocabulary
from pagecast.trainer.export.graphs import export, graph_specs
from pagecast.trainer.export.parity import EXAMPLE, RandomInputs
from pagecast.trainer.network.model import PageModel

HEADS = replace(SMALL.model, conditioned_head=True, output_dim=24)
"""Of widths that are no multiples of a block."""


@dataclass(frozen=True, kw_only=True)
class DecodeExport:
    model: PageModel
    vocabulary: Vocabulary
    graph: bytes


def export_headed(vocabulary: Vocabulary) -> DecodeExport:
    torch.manual_seed(0)
    model = PageModel(HEADS, vocabulary).eval()
    for parameter in model.head.parameters():  # those of heads begin at zero
        torch.nn.init.normal_(parameter, std=0.3)
    spec = graph_specs(model)[2]
    inputs = RandomInputs(model=model, vocabulary=vocabulary)
    graph = export(spec, inputs.draw(spec.name, EXAMPLE, seed=0))
    return DecodeExport(model=model, vocabulary=vocabulary, graph=graph)
