"""A model that is being trained, as the engine sees it: no export between two steps.

An export takes seconds, and every step of reinforcement learning changes the weights. So the
engine's three graphs are torch modules here, behind the names and arrays of the exported ones; what
walks, masks and picks is the engine itself. Numbers are fp32.

Letters as in `graphs` and `slot_decoder`: B pages, S new positions, P past ones, C room in a cache,
H key/value heads, K head width, Y layers, N entities.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from pagecast.engine.bundles.bundle import Bundle
from pagecast.engine.bundles.manifest import Manifest
from pagecast.engine.graph import Array, Binding, FloatArray, Graph
from pagecast.engine.model import Model
from pagecast.engine.vectors.stabilisation import Stabilisation
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.prompt.vocabulary import Vocabulary
from pagecast.rules.predicates import Indices
from pagecast.trainer.export.bundle import shape_of
from pagecast.trainer.export.graphs import OPSET, graph_specs
from pagecast.trainer.network.model import PageModel

VERSION = "0" * 16
"""Of a model that is no bundle."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Policy:
    """A model with what its numbers mean."""

    model: PageModel
    vocabulary: Vocabulary
    catalog: CatalogSnapshot


@torch.no_grad()
def engine_model(policy: Policy) -> Model:
    """The model as it is now, for the engine. Weights that change later change decoding, but not
    the embeddings of the catalog: ask again after every step."""
    model = policy.model.eval()
    tower, prompt, decode = graph_specs(model)
    manifest = Manifest(
        version=VERSION,
        created_at="",
        files={},
        model=shape_of(model, policy.vocabulary),
        opset=OPSET,
    )
    bundle = Bundle(
        manifest=manifest,
        stabilisation=Stabilisation.identity(manifest.model.output_dim),
        vocabulary=policy.vocabulary,
        tower=_TorchGraph(tower.name, tower.module, tuple(tower.inputs), tower.outputs),
        prompt=_TorchGraph(prompt.name, prompt.module, tuple(prompt.inputs), prompt.outputs),
        decode=_DecodeGraph(decode.name, model),
        row_input_RD=model.row_input_RD.detach().numpy(),
        row_output_RD=model.row_output_RD.detach().numpy(),
    )
    return Model(bundle, policy.catalog)


class _TorchGraph(Graph):
    """A module that is asked by names."""

    def __init__(
        self, name: str, module: nn.Module, inputs: tuple[str, ...], outputs: Sequence[str]
    ) -> None:
        self.name = name
        self._module, self._inputs, self._outputs = module, inputs, tuple(outputs)

    @torch.no_grad()
    def run(self, inputs: Mapping[str, Array]) -> dict[str, FloatArray]:
        arguments = [torch.from_numpy(np.ascontiguousarray(inputs[name])) for name in self._inputs]
        outputs = self._module(*arguments)
        if isinstance(outputs, torch.Tensor):
            outputs = (outputs,)
        return {n: o.numpy() for n, o in zip(self._outputs, outputs, strict=True)}


class _Arrays(Binding):
    """Places in memory by name."""

    def __init__(self) -> None:
        self.taken: dict[str, Array] = {}
        self.given: dict[str, Array] = {}

    def take(self, name: str, array: Array) -> None:
        self.taken[name] = array

    def give(self, name: str, array: Array) -> None:
        self.given[name] = array


class _DecodeGraph(Graph):
    """New tokens of pages, whose caches are written in place."""

    def __init__(self, name: str, model: PageModel) -> None:
        self.name = name
        self._model = model

    def binding(self) -> Binding:
        return _Arrays()

    @torch.no_grad()
    def run_bound(self, binding: Binding) -> None:
        """Pages whose pasts are equally long are run together."""
        assert isinstance(binding, _Arrays)
        tokens_BSD = binding.taken["tokens_BSD"]
        past_B = binding.taken["last_B"] + 1 - tokens_BSD.shape[1]
        for past in np.unique(past_B).tolist():
            self._run(binding, np.flatnonzero(past_B == past), past)

    def _run(self, binding: _Arrays, page_B: Indices, past: int) -> None:
        layers = self._model.config.layers
        names = [f"{kind}_{y}_BHCK" for kind in ("keys", "values") for y in range(layers)]
        caches = [binding.given[f"new_{name}"] for name in names]
        past_XBHPK = torch.from_numpy(np.stack([cache[page_B, :, :past] for cache in caches]))
        tokens_BSD = torch.from_numpy(binding.taken["tokens_BSD"][page_B])
        hidden_BSD, keys_YBHSK, values_YBHSK = self._model.decoder.decode(
            tokens_BSD, past_XBHPK[:layers], past_XBHPK[layers:]
        )
        new_XBHSK = torch.cat([keys_YBHSK, values_YBHSK]).numpy()
        until = past + tokens_BSD.shape[1]
        for cache, new_BHSK in zip(caches, new_XBHSK, strict=True):
            cache[page_B, :, past:until] = new_BHSK
        binding.given["hidden_BSD"][page_B] = self._model.head(hidden_BSD).numpy()
