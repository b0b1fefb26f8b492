"""Which of a contender's pages are drawn, so that it learns about what it would not show."""

from dataclasses import dataclass

from pagecast.simulator.chance import Chance
from pagecast.v1 import events_pb2


@dataclass(frozen=True, kw_only=True)
class Exploration:
    """Raises ValueError that names the field."""

    share: float = 0.0
    """Share of requests whose pages are drawn; on the others each token is the best one."""
    temperature: float = 1.0
    """What logits are divided by before a page is drawn: 1 draws from the model's own distribution,
    the only choice that takes no tuning."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.share <= 1.0:
            raise ValueError(f"explore.share must be between 0 and 1, is {self.share}")
        if self.temperature <= 0:
            raise ValueError(f"explore.temperature must be above 0, is {self.temperature}")

    def sampling(self, seed: int) -> events_pb2.Sampling | None:
        """Sampling of the page with this seed: the same for all contenders that explore as much."""
        if not Chance("explore", seed).happens(self.share):
            return None
        return events_pb2.Sampling(temperature=self.temperature, top_p=1.0)


NEVER = Exploration()
