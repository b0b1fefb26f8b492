"""The life of a model, step 9: which models serve, and how one replaces another."""
