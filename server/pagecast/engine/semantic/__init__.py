"""Entities that are spelled in several tokens."""
