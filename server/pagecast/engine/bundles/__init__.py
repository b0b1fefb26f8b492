"""A bundle: a model as the trainer published it, loaded only if it is exactly that."""
