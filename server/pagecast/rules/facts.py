"""What the rules of a page depend on besides the catalog."""

from dataclasses import dataclass

ROWS_MAX = 40
"""Rows of a page, as `StreamHomepageRequest.rows`: buffers are sized by it."""

ENTITIES_PER_ROW_MAX = 40
"""Entities of a row, as `StreamHomepageRequest.entities_per_row`: buffers are sized by it."""


@dataclass(frozen=True, kw_only=True)
class RulesConfig:
    """How the grammar and the sources are bounded."""

    row_entities_min: int = 3
    """A row that could hold fewer entities is not placed: it would look broken."""

    continue_entities_min: int = 1
    """The same for CONTINUE: one unfinished film is worth a row."""

    popular_entities_max: int = 100
    """Candidates of POPULAR: over twice the longest row, so that rows above it leave enough."""

    recent_entities_max: int = 60
    """Candidates of RECENT: the longest row and half of one that rows above it may have taken. With
    many more, the row's title would be untrue."""

    continue_entities_max: int = 40
    """Candidates of CONTINUE: the longest row."""

    because_arguments_max: int = 8
    """Arguments considered for BECAUSE rows: each costs a bitmap over the catalog."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 1:
                raise ValueError(f"{name} must be at least 1, is {value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class KindCap:
    """The most entities of a kind in a row, and on the page; None for no bound."""

    kind: int
    row_max: int | None = None
    page_max: int | None = None

    def __post_init__(self) -> None:
        if min(self.row_max or 0, self.page_max or 0) < 0:
            raise ValueError(f"a cap must be at least 0, is {self.row_max}, {self.page_max}")


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedRow:
    """A row the caller allows. A field that is None is as the catalog or the request says.

    Of the row's own candidates only `entities` may stand in it, `entities_min` to `entities_max`
    of them; `pin` is its position on the page.
    """

    row_id: str
    entities: tuple[str, ...] | None = None
    entities_min: int | None = None
    entities_max: int | None = None
    pin: int | None = None

    def __post_init__(self) -> None:
        for bound in (self.entities_min, self.entities_max):
            if bound is not None and not 1 <= bound <= ENTITIES_PER_ROW_MAX:
                raise ValueError(f"a row holds 1 to {ENTITIES_PER_ROW_MAX} entities, not {bound}")


@dataclass(frozen=True, kw_only=True)
class RequestFacts:
    """What is known of one request, by id; ids that are not in the catalog are ignored.

    `resume` holds the entities with a resume position, `because` the candidate arguments of
    BECAUSE rows, both newest first. `maturity_limit` is in years, None for no limit. An empty
    `country` or `device` is an unknown one: only what is allowed everywhere may be placed.

    What a caller asks for narrows what the catalog allows: `asked_rows` are the rows that may
    stand and `entities` the entities, None for all; `kind_caps` names a kind at most once;
    `row_entities_min` replaces the minima of `RulesConfig`. Only `watched_again` widens: with it,
    watched entities may stand in any row.
    """

    at_ms: int
    device: str = ""
    country: str = ""
    maturity_limit: int | None = None
    hidden: frozenset[str] = frozenset()
    watched: frozenset[str] = frozenset()
    resume: tuple[str, ...] = ()
    because: tuple[str, ...] = ()
    rows: int = 8
    entities_per_row: int = 10
    asked_rows: tuple[AskedRow, ...] | None = None
    entities: tuple[str, ...] | None = None
    kind_caps: tuple[KindCap, ...] = ()
    row_entities_min: int | None = None
    watched_again: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.rows <= ROWS_MAX:
            raise ValueError(f"rows must be 1 to {ROWS_MAX}, is {self.rows}")
        if not 1 <= self.entities_per_row <= ENTITIES_PER_ROW_MAX:
            raise ValueError(
                f"entities_per_row must be 1 to {ENTITIES_PER_ROW_MAX}, is {self.entities_per_row}"
            )
        if self.row_entities_min is not None and self.row_entities_min < 1:
            raise ValueError(f"row_entities_min must be at least 1, is {self.row_entities_min}")
        if len({cap.kind for cap in self.kind_caps}) < len(self.kind_caps):
            raise ValueError("kind_caps must name a kind once")
