"""The heads of genre and language as a graph of their own: `heads.onnx` of a bundle.

Letters: B batch, D width of the decoder, G genres and W languages of the vocabulary, each and the
unknown one.
"""

from collections.abc import Mapping

from pydantic import JsonValue
from torch import Tensor, nn

from pagecast.engine.bundles.manifest import PredictionHead
from pagecast.trainer.network.model import PageModel

OBJECTIVES = {PredictionHead.GENRE: "genres", PredictionHead.LANGUAGE: "languages"}
"""The weight in `ObjectiveConfig` that trains each head."""


class HeadsGraph(nn.Module):
    """The decoder's state in, logits of both heads out; `Manifest.heads` says which are trained."""

    def __init__(self, model: PageModel) -> None:
        super().__init__()
        self.head = model.head

    def forward(self, state_BD: Tensor) -> tuple[Tensor, Tensor]:
        return self.head.logits(state_BD)


def trained_heads(config: Mapping[str, JsonValue]) -> tuple[PredictionHead, ...]:
    """The heads that a training with this config (`TrainConfig.to_json`) has trained to predict.

    A head that only the conditioned output reads says nothing of genres or languages.
    """
    objective = config.get("objective")
    if not isinstance(objective, Mapping):
        return ()
    return tuple(head for head, weight in OBJECTIVES.items() if objective.get(weight))
