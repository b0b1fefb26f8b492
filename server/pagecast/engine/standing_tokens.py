"""What stands on a page that is carried on, as the tokens the decoder is fed after the prompt.

Letters in names: S tokens of the rows that stand, D width.
"""

from collections.abc import Sequence

import numpy as np

from pagecast.engine.graph import FloatArray
from pagecast.engine.model import Model
from pagecast.rules.page_state import NO_ARGUMENT
from pagecast.rules.standing_row import StandingRow


def standing_tokens(model: Model, standing: Sequence[StandingRow]) -> FloatArray:
    """Tokens [S, D]: what the decoder was fed when it placed these rows."""
    tokens = []
    for row in standing:
        token_D = model.row_input_RD[row.row]
        if row.argument != NO_ARGUMENT:
            token_D = token_D + model.entities.input_ND[row.argument]
        tokens.append(token_D[None])
        tokens.append(model.entities.input_ND[list(row.entities)])
    if not tokens:
        return np.zeros((0, model.row_input_RD.shape[1]), np.float32)
    return np.concatenate(tokens)
