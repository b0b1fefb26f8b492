"""Histories and profiles in Feast's online stores."""
