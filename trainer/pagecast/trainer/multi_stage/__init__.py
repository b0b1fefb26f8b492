"""Trains the multi-stage baseline: what a generative model has to beat (docs/experiments.md)."""
