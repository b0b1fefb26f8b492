"""The multi-stage baseline: what a generative model has to beat, under the same rules.

Candidates come from EASE with recency, a row ranker orders rows, an entity ranker the entities of
each. Served, chosen by alias and logged like any model (docs/experiments.md).
"""
