"""Many pages decoded together, and the parts of their prompts that are kept for the next ones."""
