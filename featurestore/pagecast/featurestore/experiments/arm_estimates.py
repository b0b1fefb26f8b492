"""What the drawn pages of an experiment's arms say of its other arms: a part of the report."""

from collections import deque
from collections.abc import Container, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from pagecast.featurestore.experiments.off_policy import (
    EFFECTIVE_USERS_MIN,
    OffPolicyReport,
    was_drawn,
)
from pagecast.featurestore.pages.logged_pages import WINDOW_MS, LoggedPageOutcome
from pagecast.featurestore.pages.newest_pages import NewestPages
from pagecast.v1 import events_pb2


@dataclass(frozen=True, kw_only=True)
class ArmEstimate:
    """What the model of the arm `target` would have earned on pages that `drawn_by` drew.

    Either `found` or `why_not` is set. `target` and `target_version` are empty for an arm that drew
    nothing: it allows no estimate.
    """

    drawn_by: str
    target: str = ""
    target_version: str = ""
    found: OffPolicyReport | None = None
    why_not: str = ""

    def to_json(self) -> dict[str, Any]:
        figures = _NO_FIGURES if self.found is None else off_policy_json(self.found)
        return {
            "drawn_by": self.drawn_by,
            "target": self.target,
            "target_version": self.target_version,
            "why_not": self.why_not or None,
            **figures,
        }


def off_policy_json(found: OffPolicyReport) -> dict[str, Any]:
    return {
        "pages": found.pages,
        "effective": found.effective,
        "earned": found.earned,
        "estimates": [
            {"estimator": one.estimator, "value": one.value, **asdict(one.interval)}
            for one in found.estimates
        ],
        "warnings": list(found.warnings),
    }


_NO_FIGURES = dict.fromkeys(("pages", "effective", "earned", "estimates", "warnings"))
"""In place of `off_policy_json` where there is no estimate."""


def newest_drawn(
    logged: Iterable[LoggedPageOutcome], labels: Container[str], pages_max: int
) -> dict[str, list[LoggedPageOutcome]]:
    """The newest `pages_max` drawn pages of each arm of `labels`, in order of time, as `logged` is.

    So few are of one user that a full set is of enough users to be trusted. A page whose half hour
    is not over by the newest page's clock has not earned all it will, and is left out.
    """
    waiting = deque[LoggedPageOutcome]()
    of_user_max = max(1, pages_max // EFFECTIVE_USERS_MIN)
    over: dict[str, NewestPages] = {}
    for page in logged:
        while waiting and waiting[0].requested_at_ms + WINDOW_MS <= page.requested_at_ms:
            one = waiting.popleft()
            over.setdefault(one.arm, NewestPages(pages_max, of_user_max)).add(one)
        if page.arm in labels and was_drawn(events_pb2.PageServed.FromString(page.value)):
            waiting.append(page)
    return {label: newest.pages for label, newest in over.items()}
