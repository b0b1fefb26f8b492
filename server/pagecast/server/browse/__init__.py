"""A page that is decoded while a person goes through it."""
