"""Trainings that were asked for, claimed and done."""
