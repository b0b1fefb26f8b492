"""The training loop, and how it is checkpointed and resumed."""
