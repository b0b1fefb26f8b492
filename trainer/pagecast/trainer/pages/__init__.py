"""Pages to learn from: built from what people did next, or logged as they were shown."""
