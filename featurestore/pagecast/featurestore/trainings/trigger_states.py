"""What the retrain triggers remember, and what they look at in the platform."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from pagecast.featurestore.tables import CatalogVersionRow, ModelRow, TriggerRow


@dataclass(slots=True, kw_only=True)
class TriggerState:
    """What one trigger remembers: `figures` is its own, and JSON."""

    since_ms: int
    figures: dict[str, Any] = field(default_factory=dict)


def read_states(connection: sa.Connection) -> dict[str, TriggerState]:
    """By trigger; those that have never looked are left out."""
    row = TriggerRow
    found = connection.execute(sa.select(row.trigger, row.since_ms, row.figures))
    return {
        trigger: TriggerState(since_ms=since_ms, figures=figures)
        for trigger, since_ms, figures in found
    }


def write_states(connection: sa.Connection, states: Mapping[str, TriggerState]) -> None:
    """Replaces the states of the triggers named. Read and write in one exclusive transaction."""
    row = TriggerRow
    connection.execute(sa.delete(row).where(row.trigger.in_(states)))
    values = [
        {"trigger": str(trigger), "since_ms": state.since_ms, "figures": state.figures}
        for trigger, state in states.items()
    ]
    if values:
        connection.execute(sa.insert(row), values)


def entities_known(connection: sa.Connection) -> int:
    """Entities that ever were in the catalog, retired ones included."""
    row = CatalogVersionRow
    newest = sa.select(sa.func.max(row.item_index)).where(row.kind == "entity")
    index = connection.execute(newest).scalar_one()
    return 0 if index is None else index + 1


def newest_model_ms(connection: sa.Connection) -> int:
    """When the newest model was registered; 0 if there is none."""
    return connection.execute(sa.select(sa.func.max(ModelRow.created_at_ms))).scalar_one() or 0
