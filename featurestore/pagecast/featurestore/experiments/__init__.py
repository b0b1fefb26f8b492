"""Experiments: who sees which arm, what came of it, and how sure that is (docs/experiments.md)."""
