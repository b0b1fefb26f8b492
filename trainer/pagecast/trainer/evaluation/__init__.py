"""Evaluation beside honest baselines: protocols, systems, figures and reports.

`interactions` is the data, `splits` who may see what, `system` what is evaluated, `run` the whole.
docs/evaluation.md tells the protocols.
"""
