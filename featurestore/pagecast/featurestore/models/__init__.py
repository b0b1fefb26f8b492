"""The model registry: versions, aliases, verdicts and bundles."""
