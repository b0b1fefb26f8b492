"""What can go wrong when a bundle is loaded or run."""


class EngineError(RuntimeError):
    """The model cannot answer: the page it was decoding cannot go on with it."""


class BundleError(EngineError):
    """A bundle is refused; the message names the file and the reason."""
