"""ExperimentService, and estimates of one policy from the logged pages of another."""
