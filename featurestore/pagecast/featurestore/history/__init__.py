"""What a user did: events become tokens, tokens are folded into steps."""
