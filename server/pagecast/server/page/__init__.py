"""The steps in the life of a page between `homepage` and the engine, each in its own file."""
