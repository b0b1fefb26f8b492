"""The steps of a page's life between `homepage` and the engine, each in a file of its own."""
