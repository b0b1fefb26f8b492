"""Decodes a bundle into pages; knows neither gRPC nor torch."""
