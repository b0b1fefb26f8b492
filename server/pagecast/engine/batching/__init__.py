"""Many pages decoded together, and what of their prompts is kept for the next."""
