"""Which interactions are fitted on, which are predicted, and from what."""
