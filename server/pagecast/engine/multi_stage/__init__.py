"""The multi-stage baseline: what a generative model has to beat, under the same rules.

Candidates come from EASE with recency; a row ranker orders the rows, an entity ranker the entities
of each. It is served, chosen by alias and logged like any model (docs/experiments.md).
"""
