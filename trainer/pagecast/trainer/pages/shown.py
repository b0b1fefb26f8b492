"""Pages that were shown, with what became of them: what training on logged pages is given.

Independent of any vocabulary and of what a reward is. `pagecast.trainer.pages.logged` reads them.
"""

from dataclasses import dataclass, field

from pagecast.featurestore.pages.logged_pages import EntityOutcome
from pagecast.featurestore.prompt.prompt import Prompt
from pagecast.v1 import rules_pb2


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRow:
    """A row as it was served; an outcome is None where nobody knows whether it was seen.

    `argument_id` is the entity of a BECAUSE row, else empty.
    """

    row_id: str
    argument_id: str
    entity_ids: tuple[str, ...]
    outcomes: tuple[EntityOutcome | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownPage:
    """A served page; `closed` says that its window was over when the log was read, `asked` what
    its caller allowed."""

    user_id: str
    prompt: Prompt
    rows: tuple[ShownRow, ...]
    closed: bool
    asked: rules_pb2.RequestRules = field(default_factory=rules_pb2.RequestRules)


@dataclass(frozen=True, kw_only=True)
class Shown:
    """Pages of which something was seen, and how many others were left out.

    `unlike`: their prompts could not be built again as the server built them. `older`: there are
    more than `LoggedConfig.pages_max`, or of their user than `of_user_max`.
    """

    pages: tuple[ShownPage, ...] = ()
    unlike: int = 0
    older: int = 0
