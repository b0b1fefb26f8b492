"""FeatureService: events in, what is known of a user out, and users forgotten."""
