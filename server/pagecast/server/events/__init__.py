"""FeatureService: takes events in, says what is known of a user, and forgets users."""
