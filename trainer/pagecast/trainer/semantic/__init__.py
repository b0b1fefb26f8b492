"""Semantic IDs: codebooks are learned, and a model speaks in them (docs/papers.md 2)."""
