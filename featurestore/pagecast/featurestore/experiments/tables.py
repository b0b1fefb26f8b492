"""The table of experiments, in the registry's database."""

from typing import Any

from sqlalchemy import JSON, BigInteger, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from pagecast.featurestore.tables import Base


class ExperimentRow(Base):
    """An experiment, kept for ever: its name stands in pages. `id` is the order of starts."""

    __tablename__ = "experiments"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    salt: Mapped[bytes] = mapped_column(LargeBinary)
    arms: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    control: Mapped[str] = mapped_column(String(32))
    outcome_ms: Mapped[int] = mapped_column(BigInteger)
    started_at_ms: Mapped[int] = mapped_column(BigInteger)
    stopped_at_ms: Mapped[int | None] = mapped_column(BigInteger, index=True)
