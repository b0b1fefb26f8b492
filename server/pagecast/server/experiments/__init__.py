"""ExperimentService, and estimates of one policy from another's logged pages."""
