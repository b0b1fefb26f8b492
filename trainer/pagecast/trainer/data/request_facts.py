"""What the rules of a request of the past depend on, as far as its prompt says it."""

from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.history.history import WATCHED_ACTIONS, Action
from pagecast.featurestore.history.step_columns import StepColumns
from pagecast.featurestore.prompt.prompt import Prompt
from pagecast.rules.because import because_arguments
from pagecast.rules.facts import RequestFacts
from pagecast.trainer.data.users import begins


def facts_of_prompt(
    prompt: Prompt, catalog: CatalogSnapshot, *, rows: int, entities_per_row: int
) -> RequestFacts:
    """Facts of a page of this size, for whoever asked with this prompt.

    A server also knows what has left the history's window.
    """
    steps = prompt.columns
    hidden = frozenset(steps.entities_of([Action.HIDE]))
    return RequestFacts(
        at_ms=prompt.request.at_ms,
        device=prompt.request.device,
        country=prompt.request.country,
        maturity_limit=prompt.profile.maturity_limit,
        hidden=hidden,
        watched=frozenset(steps.entities_of(WATCHED_ACTIONS)),
        resume=_begun(steps),
        because=because_arguments(steps, hidden, catalog),
        rows=rows,
        entities_per_row=entities_per_row,
    )


def _begun(steps: StepColumns) -> tuple[str, ...]:
    """What was begun and not completed since, newest first."""
    begun: dict[int, None] = {}
    for entity, action, watched_ms in zip(
        steps.entity, steps.action, steps.watched_ms, strict=True
    ):
        if action == Action.COMPLETE:
            begun.pop(entity, None)
        elif begins(action, watched_ms):
            begun[entity] = begun.pop(entity, None)
    return tuple(steps.strings.names[entity] for entity in reversed(begun))
