"""A prompt and a page decoded in torch, without what is exported: what tests compare with.

Letters: B batch, T prompt positions, S tokens of a page, D width, O width of hidden states.
"""

from torch import Tensor

from pagecast.trainer.network.model import PageModel


def decoded_prompt(model: PageModel, tokens_BTD: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """`hidden_BO` after it, and the keys and values of all positions."""
    hidden_BTD, keys, values = model.decoder.prefill(tokens_BTD)
    return model.head(hidden_BTD[:, -1]), keys, values


def decoded_page(model: PageModel, tokens_BSD: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """`hidden_BSO` after each token, behind a prompt."""
    hidden_BSO: Tensor = model.head(model.decoder.decode(tokens_BSD, keys, values)[0])
    return hidden_BSO
