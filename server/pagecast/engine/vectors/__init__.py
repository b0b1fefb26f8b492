"""Users and entities as vectors: for predictions, candidates and neighbours."""
