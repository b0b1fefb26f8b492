"""How many of a history's oldest steps share positions: a rule of the model, kept in one place.

Steps are compressed in whole blocks, counted from the oldest of the window: so what is computed of
a history stays valid while steps are added, until the next block is full (docs/model.md).
"""

from pagecast.featurestore.history.history import STEPS_EVICTED_TOGETHER

COMPRESSED_TOGETHER = STEPS_EVICTED_TOGETHER
"""Steps of a block: as many as a full window drops, so that the borders of groups stay where they
are when it does."""

STEPS_OF_A_GROUP = 4
"""Steps that become one position; a divisor of a block."""


def steps_compressed(steps: int, keep: int) -> int:
    """How many of the oldest of a history's `steps` steps are compressed.

    At least `keep` of the newest stay positions of their own; a `keep` of 0 compresses nothing.
    """
    if not keep:
        return 0
    return max(0, steps - keep) // COMPRESSED_TOGETHER * COMPRESSED_TOGETHER
