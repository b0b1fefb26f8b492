"""How a page is decoded: what its caller chooses, besides model and rules."""

from dataclasses import dataclass

from pagecast.engine.picking import Greedy, Picker, Sampler


@dataclass(frozen=True, kw_only=True)
class DecodeOptions:
    """How a page is decoded.

    The first `exact_entities` of a row are decoded one by one, the rest is filled from one run
    (hybrid row decoding, docs/papers.md 1.8); with at least the row's length, all are exact.
    `exact_entities_by_row` sets it for the first rows of a page, by their positions.
    At a `temperature` above 0 tokens are drawn, with `seed`, among the likeliest that have `top_p`
    together; at 0 each is the best, and nothing is drawn.
    With a `shortlist` above 0 a row's candidates are scored in full once, and only that many of the
    likeliest compete in that row (docs/serving.md); at 0 all compete, for every entity.
    """

    exact_entities: int = 3
    exact_entities_by_row: tuple[int, ...] = ()
    seed: int = 0
    temperature: float = 0.0
    top_p: float = 1.0
    shortlist: int = 0

    def __post_init__(self) -> None:
        if self.temperature < 0 or not 0 < self.top_p <= 1:
            raise ValueError(
                f"temperature must be at least 0, is {self.temperature}; top_p must be above 0"
                f" and at most 1, is {self.top_p}"
            )
        if self.shortlist < 0:
            raise ValueError(f"shortlist must be at least 0, is {self.shortlist}")
        fewest = min((self.exact_entities, *self.exact_entities_by_row))
        if fewest < 0:
            raise ValueError(f"exact_entities must be at least 0, is {fewest}")

    def picker(self) -> Picker:
        if not self.temperature:
            return Greedy()
        return Sampler(seed=self.seed, temperature=self.temperature, top_p=self.top_p)

    def exact_entities_of(self, row_position: int) -> int:
        """Of the row at that position on the page."""
        if row_position < len(self.exact_entities_by_row):
            return self.exact_entities_by_row[row_position]
        return self.exact_entities


DEFAULT_OPTIONS = DecodeOptions()
