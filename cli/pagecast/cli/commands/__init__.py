"""A module per command; heavy imports wait until the command runs."""
