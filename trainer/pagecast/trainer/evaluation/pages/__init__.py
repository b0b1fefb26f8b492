"""Whole pages on held-out futures, and an independent reading of the rules."""
