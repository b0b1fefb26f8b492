"""Entities and rows, each change numbered, and how popular they are."""
