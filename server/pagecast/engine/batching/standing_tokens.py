"""The rows that stand on a page that is carried on, as tokens fed to the decoder after the prompt.

Letters in names: S tokens of the rows that stand, D width.
"""

from collections.abc import Sequence

import numpy as np

from pagecast.engine.graph import FloatArray
from pagecast.engine.model import Model
from pagecast.rules.standing_row import StandingRow


def standing_tokens(
    model: Model, standing: Sequence[StandingRow], request_D: FloatArray
) -> FloatArray:
    """Tokens [S, D]: what the decoder is fed when it places these rows itself.

    `request_D` is the last token of the page's prompt.
    """
    tokens = []
    for row in standing:
        tokens.append(model.row_token(row.row, row.argument, request_D)[None])
        tokens.append(model.entity_tokens(row.entities))
    if not tokens:
        return np.zeros((0, model.row_input_RD.shape[1]), np.float32)
    return np.concatenate(tokens)
