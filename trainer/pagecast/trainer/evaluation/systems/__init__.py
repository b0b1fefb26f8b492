"""What is evaluated: anything that can be fitted and can score entities for a request."""
