"""The training loop, and how it is kept and gone on with."""
