"""The output head: what is done to the decoder's state before it meets output embeddings.

Letters: D width of the decoder, O of output embeddings, G genres and W languages of the vocabulary,
each and the unknown one.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils import skip_init

from pagecast.featurestore.prompt.vocabulary import Vocabulary
from pagecast.trainer.config import ModelConfig


class OutputHead(nn.Module):
    """Predicts the next genre and language, conditions on them if told to, and projects.

    Rows and entities are read from the same state, so training, both graphs and evaluation apply
    the head once and none of them has to know what it does. With neither option it is the identity.

    `genre` and `language` say what `auxiliary` trains them to; their own graph takes the decoder's
    state, as `logits` does (`prediction_heads`).

    Layers that an option may leave untrained begin at zero and draw nothing: with the options off,
    a training's random numbers are what they were without this class.
    """

    def __init__(self, config: ModelConfig, vocabulary: Vocabulary) -> None:
        super().__init__()
        d_model = config.d_model
        genres, languages = len(vocabulary.genres) + 1, len(vocabulary.languages) + 1
        self.genre, self.language = _zeros(d_model, genres), _zeros(d_model, languages)
        self.condition = _zeros(genres + languages, d_model) if config.conditioned_head else None
        self.projection = None
        if config.output_dim:
            self.projection = nn.Linear(d_model, config.output_dim, bias=False)
            nn.init.normal_(self.projection.weight, std=d_model**-0.5)

    def logits(self, decoded_XD: Tensor) -> tuple[Tensor, Tensor]:
        """Returns `genre_XG` and `language_XW`."""
        return self.genre(decoded_XD), self.language(decoded_XD)

    def forward(self, decoded_XD: Tensor) -> Tensor:
        """Returns `hidden_XO`; X are any axes.

        Hierarchical (docs/papers.md 3.1): the expected genres and language move the state before
        products are taken, and the loss of entities reaches their heads through them.
        """
        hidden_XD = decoded_XD
        if self.condition is not None:
            shares = [torch.softmax(logits, dim=-1) for logits in self.logits(decoded_XD)]
            hidden_XD = hidden_XD + self.condition(torch.cat(shares, dim=-1))
        if self.projection is not None:
            hidden_XD = self.projection(hidden_XD)
        return hidden_XD


def _zeros(inputs: int, outputs: int) -> nn.Linear:
    """A layer without bias that says nothing yet, made without drawing random numbers."""
    layer = skip_init(nn.Linear, inputs, outputs, bias=False)
    assert isinstance(layer, nn.Linear)
    nn.init.zeros_(layer.weight)
    return layer
