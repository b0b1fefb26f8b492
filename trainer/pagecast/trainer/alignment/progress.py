"""What is told of a round, and how a checkpoint keeps the first and the last one."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from pydantic import TypeAdapter


@dataclass(frozen=True, kw_only=True)
class AlignProgress:
    """A round, and where the run is after it.

    Means over the round's pages, as they were drawn: `reward` by the run's own reward without form,
    `judged` the judge's (NaN without one), `kl` nats a token, `page_tokens` tokens of a page; `nll`
    over its requests on whose logged pages something was chosen, in nats (0 where there is none, or
    it is switched off).
    """

    step: int
    share_done: float
    reward: float
    judged: float
    kl: float
    nll: float
    page_tokens: float
    eta_s: float

    def to_totals(self, name: str) -> dict[str, float]:
        """As numbers of a checkpoint, each under a name that begins with `name`."""
        return {f"{name}.{field}": float(value) for field, value in asdict(self).items()}

    @classmethod
    def from_totals(cls, name: str, totals: Mapping[str, float]) -> "AlignProgress | None":
        """What `to_totals` made; None if the checkpoint has none of that name."""
        begins = f"{name}."
        told = {k.removeprefix(begins): v for k, v in totals.items() if k.startswith(begins)}
        return _PROGRESS.validate_python(told) if told else None


_PROGRESS = TypeAdapter(AlignProgress)
