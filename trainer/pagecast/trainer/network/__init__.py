"""The model as torch modules."""
