"""What a run of the closed loop consists of: arms, members, days, and how arms learn."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from pagecast.cli.bench.align.exploration import NEVER, Exploration
from pagecast.simulator.config import SimulatorConfig
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.page_config import PagesFrom

DRAWN_SHARE = 0.25
"""Share of an exploring arm's requests: enough to show a hundred members a few dozen pages a day
that the model would not have chosen, and so few that most measured pages are its own choice."""


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One way to make pages for a month."""

    model: Literal["generative", "multi-stage"] = "generative"
    learns: bool = True
    """Whether each day is learned from before the next begins."""
    explore: Exploration = NEVER
    correct: bool = False
    """Whether what was seen is weighed by how seldom its place is (`PresentationConfig`)."""
    pages_from: PagesFrom = "both"
    """Which pages a generative model's trainings learn from, as in `TrainConfig`."""


_DRAWN = Exploration(share=DRAWN_SHARE)

MULTI_STAGE, FROZEN, GREEDY = "multi-stage", "frozen", "greedy"
"""What the other arms are compared with. The baseline learns from events, not from pages. The model
that learns nothing shows what the members' own satiation and drift do to any pages. Compared with
the one that learns from its best pages alone, others show what exploring or correcting is worth."""

ARMS: dict[str, Arm] = {
    MULTI_STAGE: Arm(model="multi-stage"),
    GREEDY: Arm(),
    "exploring": Arm(explore=_DRAWN),
    "greedy, corrected": Arm(correct=True),
    "exploring, corrected": Arm(explore=_DRAWN, correct=True),
    FROZEN: Arm(learns=False),
    "from events": Arm(pages_from="constructed"),
}
"""By name. The last learns from what members chose and from no page, as trainings do by default."""


@dataclass(frozen=True, kw_only=True)
class LoopConfig:
    """Raises ValueError that names the field."""

    arms: tuple[str, ...] = tuple(ARMS)
    """Names from ARMS; each has the same members with the same luck, in a world of its own."""
    seeds: tuple[int, ...] = (0,)
    """Of trainings and members."""
    members: int = 100
    """Simulated members: some 90 sessions a day for an arm to learn from."""
    days: int = 30
    """Simulated days."""
    train: TrainConfig = field(default_factory=TrainConfig)
    """For generative models: `epochs` is for the one that all arms begin with, `incremental` for a
    day's. The seed and what an arm sets replace its values."""
    simulator: SimulatorConfig = field(default_factory=SimulatorConfig)
    folder: Path | None = None
    """Keeps what is done, so that a run can go on from it; None keeps nothing."""

    def __post_init__(self) -> None:
        if unknown := [name for name in self.arms if name not in ARMS]:
            raise ValueError(f"arms: {unknown[0]!r} is none of {', '.join(ARMS)}")
        if not self.arms or not self.seeds:
            raise ValueError("arms and seeds: name one at least")
        for name in ("members", "days"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")

    def to_dict(self) -> dict[str, Any]:
        """For a report, which gives the simulator's own config by its hash."""
        return {
            "arms": self.arms,
            "seeds": self.seeds,
            "members": self.members,
            "days": self.days,
            "passes": self.train.epochs,
            "incremental": asdict(self.train.incremental),
        }
