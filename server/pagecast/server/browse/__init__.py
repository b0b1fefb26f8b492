"""A page that is decoded while a person scrolls through it."""
