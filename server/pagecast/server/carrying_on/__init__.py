"""A page that was begun before goes on behind its last row."""
