"""A trained model becomes a bundle that is served, and is proven to be the same model."""
