"""The settings of logged pages and post-training. Every value has a unit and a reason."""

from dataclasses import dataclass
from typing import Literal

PagesFrom = Literal["constructed", "logged", "both"]


@dataclass(frozen=True, kw_only=True)
class LoggedConfig:
    """Logged pages as examples (docs/logged-pages.md)."""

    order: Literal["layout", "strength"] = "layout"
    """Order of a page's targets in pretraining: as it was laid out (docs/papers.md 1.2), or its
    seen entities by the strength of what came of them (docs/papers.md 2.3)."""
    exposed_weight: float = 1.0
    """With "strength": weight, as a target, of an entity that was seen and nothing more; 0 leaves
    it out, so that only what was acted upon is a target."""
    window_minutes: float = 30.0
    """How long after a page's request an event still belongs to it: a session's end by
    convention."""
    pages_max: int = 10_000
    """Most pages kept, the newest that were seen; the others are counted. Each is kept with its
    prompt, which is large if its history is: all of a large log would not fit into memory."""
    of_user_max: int = 200
    """Most of them from one user, again the newest, so that one who asks for very many leaves room
    for others: a fiftieth, as in off-policy estimates."""

    def __post_init__(self) -> None:
        if self.pages_max < 1 or self.of_user_max < 1:
            raise ValueError("logged.pages_max and logged.of_user_max must be at least 1")


@dataclass(frozen=True, kw_only=True)
class PresentationConfig:
    """What is shown higher is seen more: estimating that, and correcting for it."""

    correct: bool = False
    """Weigh what was seen by one over the probability that its place is seen. Off, because nothing
    has been measured on real pages."""
    weight_max: float = 10.0
    """Most that one target may weigh: a rarely seen place would add more noise than it removes
    bias."""
    prior_pages: float = 20.0
    """The prior counts as much as this many pages on which the place was served."""


@dataclass(frozen=True, kw_only=True)
class PostTrainConfig:
    """Weighted binary classification after pretraining (docs/papers.md 1.5)."""

    share: float = 0.0
    """Share of the training's steps, or of its time if that ends first; 0: pretraining only."""
    learning_rate: float = 3e-4
    """Peak, after a warm-up of its own; lower than pretraining's, whose weights it starts from."""
    rows: float = 0.3
    """Weight of the rows' loss; that of the entities' is 1."""
    random_negatives: int = 4
    """Tokens drawn at random beside every target, so that what is rarely shown is not surfaced on
    noise alone. How many the paper draws is not published."""
    random_negative_weight: float = 0.1
    """Weight of one of them; an entity's own is the size of its reward."""
    passed_over_weight: float = 0.2
    """Weight, as a negative, of what was seen and led to nothing: its reward is 0, yet the page
    would be better with something else there. A fifth of a long play: one in fifteen is chosen."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.share < 1.0:
            raise ValueError("post.share must be at least 0 and below 1: it goes on from a model")
        if self.random_negatives < 0 or self.random_negative_weight < 0:
            raise ValueError("post.random_negatives and their weight must not be negative")
        if self.passed_over_weight < 0:
            raise ValueError("post.passed_over_weight must not be negative")
