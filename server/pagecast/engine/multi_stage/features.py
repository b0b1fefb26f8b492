"""What the rankers of the multi-stage baseline look at; names and their order are the bundle's."""

ENTITY_FEATURES = (
    "ease",
    "log_ease",
    "log_count",
    "popular_now",
    "genre_affinity",
    "recently_released",
    "unknown",
)
"""Of an entity for a request: EASE's score of the history, its logarithm, how often the entity was
taken up lately when the baseline was trained, its place among what is popular now, how alike its
genres and the history's are, how recently it was released, whether EASE has not met it.
"""

ROW_FEATURES = (
    "log_hit",
    "log_own_share",
    "log_share",
    "popular",
    "recent",
    "because",
)
"""Of a row for a request: how likely its first entities hold the next one taken up, what share of
the history fell into it, what share of everybody's, and where its candidates come from."""

NEVER = 1e-2
"""Added to shares and scores before their logarithm: what has never happened is not impossible."""
