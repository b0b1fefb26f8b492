"""Ranks become figures, and how sure they are."""
