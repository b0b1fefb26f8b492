"""Weighted binary classification: what of a page was worth being shown."""
