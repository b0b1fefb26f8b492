"""Served pages with what became of them, and what that is worth."""
