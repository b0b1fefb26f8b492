"""The settings of alignment. Every value has a unit and a reason."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

GROUP_MAX = 64
"""Most pages of one prompt: they are decoded together, and packed behind one prompt with a mask
that is quadratic in all their tokens."""

ASKS_MAX = 2000
"""Most requests that pages may be drawn for, the newest: each keeps its compiled rules, a bit per
entity and row. A run of the default length draws 800 prompts."""

PAGES_MAX = 4096
"""Most pages of one step: all are in memory with the masks they were drawn under, a bit per entity
and token."""


@dataclass(frozen=True, kw_only=True)
class RewardModelConfig:
    """Training of the reward models, each on one half of the members (docs/papers.md 1.5, 2.5)."""

    salt: str = "reward-halves"
    """Of the hash that halves the members: another salt, other halves."""
    weight_max: int = 20
    """Pages that one user id counts for, however many there are: a flood of pages and clicks by one
    must not decide what everybody is shown. It does not stop somebody who makes up ids."""
    epochs: float = 8.0
    """Passes over the pages of a half, of each member only over as many as count."""
    steps_max: int = 400
    """Most steps of the optimiser: they take minutes, however many pages there are."""
    pages_per_batch: int = 32
    """Pages of one step of the optimiser."""
    learning_rate: float = 1e-4
    """Peak, after warm-up, of the page reward model, which begins as the pretrained model."""
    preference_learning_rate: float = 1e-3
    """The same for the preference model, which begins from nothing: Adam moves a weight by no more
    than this in a step, and there are only a few hundred steps."""
    weight_decay: float = 0.02
    """AdamW's, on matrices: rewards are few and noisy."""
    dropout: float = 0.1
    """Of positions and residual branches, while it is trained."""
    hidden: int = 64
    """Width of the preference model's attention and of its judgement."""
    seed: int = 0
    """Of initial heads, the order of pages and dropout."""

    def __post_init__(self) -> None:
        for name in (
            "weight_max",
            "epochs",
            "steps_max",
            "pages_per_batch",
            "learning_rate",
            "preference_learning_rate",
            "hidden",
        ):
            if getattr(self, name) <= 0:
                raise ValueError(f"align.reward.{name} must be above 0")


@dataclass(frozen=True, kw_only=True)
class FormatConfig:
    """Rewards by rule, of a page's form (docs/papers.md 1.5)."""

    rows: float = 0.1
    """For a page that is a list of full rows; a page with half of the places filled gets half."""
    critical_rows: tuple[str, ...] = ()
    """Ids of rows the business needs to be seen."""
    critical_position_max: int = 2
    """Lowest position, from 0, at which such a row still counts: the third row ends the screen."""
    critical: float = 0.5
    """Taken away for each such row that may stand on the page but stands lower, or nowhere."""


@dataclass(frozen=True, kw_only=True)
class AlignConfig:
    """Reinforcement learning on pages; `RECIPES` holds the combinations that have a name."""

    credit: Literal["page", "entities"] = "page"
    """What is rewarded. "page": whole pages, and every token of one has its advantage
    (Dr. GRPO, docs/papers.md 1.5). "entities": each entity of the group's pages is a sample of its
    own, and a row has the mean of its entities' (GRPO-SR, docs/papers.md 2.5)."""
    by_deviation: bool = False
    """Divide advantages by the group's standard deviation. That gives more weight to prompts whose
    pages are all alike."""
    kl: float = 0.05
    """Weight of the distance (k3) to the model that is aligned: the reward model knows nothing
    about pages far from those it was trained on. The papers do not publish theirs."""
    gate: bool = True
    """With "entities": what is not relevant is worth nothing, however much it would be liked."""
    gate_lift_min: float = 5.0
    """Tau: an entity is relevant if the model that is aligned finds it, as the next one, more than
    this many times likelier than an even draw from the catalog. The paper: "a small constant". On a
    log of the simulator's it lets 96 % of what was liked through, and 81 entities of 1,700; 0.5
    lets through 374 and hardly closes (benchmarks/align.md)."""
    anchor: bool = False
    """With "entities": what the member really chose is worth the best of the group."""
    nll: float = 0.0
    """Weight of the negative log-likelihood of what the member really chose, in place of KL."""
    steps: int = 100
    """Rounds of drawing pages and learning from them."""
    prompts_per_step: int = 8
    """Prompts of one round, drawn evenly: of one member there are `reward.weight_max` at most."""
    group_size: int = 8
    """Pages drawn of each prompt; the mean of a group is the baseline."""
    updates: int = 1
    """Steps of the optimiser on the pages of a round. More than one is off-policy: then `clip`
    holds the ratio."""
    clip: float = 0.2
    """A token whose ratio is farther than this from 1 teaches nothing."""
    temperature: float = 1.0
    """Pages are drawn from, and judged under, the distribution at this temperature."""
    rows_max: int = 3
    """Rows of a drawn page, if the logged page had as many: a screen of them."""
    entities_max: int = 5
    """Entities of a row, likewise."""
    tokens: int = 18
    """What a page's sum over tokens is divided by, whatever its length: a screen's. Dividing by the
    page's own length would favour long bad pages (Dr. GRPO)."""
    learning_rate: float = 1e-4
    """Peak, after warm-up: a tenth of pretraining's."""
    format: FormatConfig = field(default_factory=FormatConfig)
    reward: RewardModelConfig = field(default_factory=RewardModelConfig)
    checkpoint_every_s: float = 30.0
    """Seconds between checkpoints."""
    seed: int = 0
    """Of prompts and pages."""

    def __post_init__(self) -> None:
        for name in ("steps", "prompts_per_step", "updates", "rows_max", "entities_max", "tokens"):
            if getattr(self, name) < 1:
                raise ValueError(f"align.{name} must be at least 1, is {getattr(self, name)}")
        if not 2 <= self.group_size <= GROUP_MAX:
            raise ValueError(
                f"align.group_size must be 2 to {GROUP_MAX}, is {self.group_size}: a page is judged"
                " beside the others of its group"
            )
        if self.group_size * self.prompts_per_step > PAGES_MAX:
            raise ValueError(
                f"align.prompts_per_step times align.group_size must be at most {PAGES_MAX} pages"
            )
        if self.temperature <= 0 or self.learning_rate <= 0 or self.clip <= 0:
            raise ValueError("align.temperature, .learning_rate and .clip must be above 0")
        if min(self.kl, self.nll, self.gate_lift_min) < 0:
            raise ValueError("align.kl, .nll and .gate_lift_min must not be negative")


_GRPO_SR = AlignConfig(credit="entities", by_deviation=True, kl=0.0, anchor=True, nll=0.1)

RECIPES: Mapping[str, AlignConfig] = {
    "dr-grpo": AlignConfig(),
    "grpo-sr": _GRPO_SR,
    "grpo-sr-no-gate": replace(_GRPO_SR, gate=False),
    "grpo-sr-no-nll": replace(_GRPO_SR, nll=0.0),
    "grpo": replace(_GRPO_SR, anchor=False, nll=0.0, kl=0.05),
    "grpo-no-gate": replace(_GRPO_SR, anchor=False, nll=0.0, kl=0.05, gate=False),
}
"""Objectives by name: GenPage's, GenRec's, and GenRec's with parts left out."""
