"""Events become steps: validation, dead letters, the ingest worker, publishing."""
