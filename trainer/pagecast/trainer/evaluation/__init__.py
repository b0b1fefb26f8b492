"""Evaluation beside honest baselines: protocols, systems, figures and reports.

In `protocols`, `interactions` is the data and `splits` who may see what; `systems` are what is
evaluated; `run` is the whole, `figures` and `reports` what comes of it.
docs/evaluation.md tells the protocols.
"""
