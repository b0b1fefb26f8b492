"""Step 4 of the life of a page: what its rules depend on, from request, history and profile."""

from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.history.history import History, Profile
from pagecast.rules.asked import asked_facts
from pagecast.rules.because import because_arguments
from pagecast.rules.facts import RequestFacts
from pagecast.server.page.request import PageRequest


def facts_of(
    page: PageRequest, history: History | None, profile: Profile, catalog: CatalogSnapshot
) -> RequestFacts:
    """The facts that the request's rules depend on; a stranger has seen and hidden nothing."""
    past = history or History("")
    return RequestFacts(
        at_ms=page.half.at_ms,
        device=page.half.device,
        country=page.half.country,
        maturity_limit=profile.maturity_limit,
        hidden=frozenset(past.hidden),
        watched=frozenset(past.watched()),
        resume=tuple(reversed(past.resume_ms)),
        because=because_arguments(past.steps, past.hidden, catalog),
        rows=page.rows,
        entities_per_row=page.entities_per_row,
        **asked_facts(page.rules),
    )
