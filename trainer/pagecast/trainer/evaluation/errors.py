"""What an evaluation refuses."""


class EvaluationError(ValueError):
    """The evaluation cannot be run as asked; the message names the field and the remedy."""
