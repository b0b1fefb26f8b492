"""A page that was begun earlier goes on after its last row."""
