"""The settings of a training. Every value has a unit and a reason."""

import json
from dataclasses import asdict, dataclass, field
from typing import Literal

from pydantic import JsonValue, TypeAdapter

from pagecast.featurestore.history.history import Action
from pagecast.featurestore.pages.reward import RewardConfig
from pagecast.featurestore.prompt.context import ContextConfig
from pagecast.trainer.alignment.config import AlignConfig
from pagecast.trainer.page_config import (
    LoggedConfig,
    PagesFrom,
    PostTrainConfig,
    PresentationConfig,
)
from pagecast.trainer.start_config import IncrementalConfig, StartConfig

Response = Literal["entities", "semantic_ids"]
"""What a page's entities are to the model: a token each, or the codes of a semantic ID."""

BudgetClock = Literal["wall", "cpu"]
"""The clock that a budget of minutes is counted by."""

HEAD_DIM = 64
"""Heads of 64 beat heads of 32 when decoding on a CPU (docs/facts.md)."""


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The decoder's shape (docs/architecture.md)."""

    d_model: int = 128
    """Width of a position."""
    layers: int = 2
    """Transformer blocks."""
    query_heads: int = 2
    """Query heads of 64."""
    kv_heads: int = 1
    """Key/value heads of 64; having few saves twice, in cache and in bandwidth."""
    mlp_hidden: int = 256
    """Width of the gated MLP."""
    age_dim: int = 16
    """Width of the attention that mixes ID and metadata by age."""
    rotary_base: float = 10_000.0
    """Base of the rotary frequencies."""
    output_dim: int = 0
    """Width of output embeddings and of the hidden state they are multiplied with; 0 is `d_model`.
    A narrow one makes products with a large catalog cheap (docs/papers.md 3.3)."""
    conditioned_head: bool = False
    """Entities and rows are chosen knowing which genres and language are expected next
    (docs/papers.md 3.1)."""
    compress_keep: int = 0
    """Newest steps of a history that always have positions of their own; older ones, in whole
    blocks of 128, share one for every four. 0 compresses nothing. 64 keeps every prompt's history
    below 256 positions."""
    response: Response = "entities"
    """With "semantic_ids" a row's entities are spelled in codes of what they are (docs/papers.md
    2); the codebook comes from a model of entity tokens that is trained first."""
    codes: int = 64
    """Codes at each of a semantic ID's three levels: 64 make 262,144 combinations, and are few
    enough that each is seen often."""
    merge_prompt: bool = True
    """Semantic IDs: an entity takes one position in the prompt, its codes side by side times a
    matrix (the token merger). False spells it there, too; that is for measuring, never exported."""

    def __post_init__(self) -> None:
        if self.query_heads % self.kv_heads != 0:
            raise ValueError("query_heads must be a multiple of kv_heads")
        if self.output_dim < 0:
            raise ValueError("output_dim must not be negative")
        if self.compress_keep < 0:
            raise ValueError("compress_keep must not be negative")
        if self.codes < 2:
            raise ValueError("codes must be at least 2")
        if self.compress_keep and not self.merge_prompt:
            raise ValueError("compress_keep needs merge_prompt: a group holds whole steps")

    @property
    def semantic(self) -> bool:
        return self.response == "semantic_ids"

    @property
    def output_width(self) -> int:
        return self.output_dim or self.d_model


@dataclass(frozen=True, kw_only=True)
class EngagementConfig:
    """How much a step counts as a target (docs/papers.md 1.4, 3.1); 0 is never a target."""

    play_trailer: float = 0.1
    view_details: float = 0.2
    click: float = 0.3
    add_to_list: float = 0.6
    play: float = 1.0
    rate: float = 1.0
    purchase: float = 1.5
    complete: float = 1.2
    rating_slope: float = 0.2
    """Added per point of a rating above 3, taken away per point below."""
    weight_min: float = 0.1
    """A badly rated entity was still chosen; it keeps this much."""

    def by_action(self) -> dict[Action, float]:
        return {
            Action.PLAY_TRAILER: self.play_trailer,
            Action.VIEW_DETAILS: self.view_details,
            Action.CLICK: self.click,
            Action.ADD_TO_LIST: self.add_to_list,
            Action.PLAY_FEATURE: self.play,
            Action.PLAY_LIVE: self.play,
            Action.RATE: self.rate,
            Action.PURCHASE: self.purchase,
            Action.COMPLETE: self.complete,
        }


@dataclass(frozen=True, kw_only=True)
class PageConfig:
    """Pages that are built from what a user did after a cut."""

    window_steps: int = 24
    """Steps after the cut that a page may hold; about a session."""
    rows_max: int = 6
    """Rows of a page."""
    entities_max: int = 6
    """Entities of a row."""
    top_first: float = 0.7
    """Share of pages that begin with the next-entity row."""
    row_fallback: float = 0.03
    """Share of rows presented as unknown, so that a row published later has a trained token."""


@dataclass(frozen=True, kw_only=True)
class ObjectiveConfig:
    """What a training asks of the model. Weights are relative to each other; 0 leaves one out."""

    history: float = 1.0
    """Weight of the entities next after every step of a history, read from the request's
    position."""
    pages: float = 0.5
    """Weight of the entities of pages and of openings, read from the page's positions."""
    rows: float = 0.1
    """Weight of the rows of pages."""
    ahead_decay: float = 0.7
    """Weight of the next but one entity as a target, relative to the next (docs/papers.md 3.3)."""
    ahead_max: int = 6
    """Entities ahead that are targets of one position; 1 is next-entity prediction alone."""
    genres: float = 0.0
    """Weight of the genres of the history's targets, predicted by a head of their own."""
    languages: float = 0.0
    """Weight of their languages. Both are off until measured to be worth something."""
    seen_compete: bool = False
    """Whether entities that a request's history or its page holds compete for the next place. The
    rules offer them only in a row that continues (`batches.competition`)."""
    negatives: int = 0
    """Entities drawn evenly from the catalog to compete with a batch's own; 0 is the whole catalog,
    and a step then costs in proportion to it (docs/papers.md 3.3)."""
    page_wise: bool = True
    """Entities of a page are predicted from the page before them; False: the same entities of the
    same pages from the prompt and their row's token alone."""

    def __post_init__(self) -> None:
        if self.negatives < 0:
            raise ValueError("negatives must not be negative")


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One training run."""

    model: ModelConfig = field(default_factory=ModelConfig)
    engagement: EngagementConfig = field(default_factory=EngagementConfig)
    page: PageConfig = field(default_factory=PageConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    pages_from: PagesFrom = "constructed"
    """Where pages come from. "constructed": only pages built from what users did next, because a
    month of learning from its own pages narrowed what a model showed (benchmarks/align.md);
    "both": logged pages, and constructed ones for users who have none; "logged": only logged
    pages."""
    logged: LoggedConfig = field(default_factory=LoggedConfig)
    presentation: PresentationConfig = field(default_factory=PresentationConfig)
    reward: RewardConfig = field(default_factory=RewardConfig)
    post: PostTrainConfig = field(default_factory=PostTrainConfig)
    start: StartConfig = field(default_factory=StartConfig)
    incremental: IncrementalConfig = field(default_factory=IncrementalConfig)
    align: AlignConfig | None = None
    """How a base is aligned (docs/alignment.md); None for any other training."""
    context: ContextConfig = field(default_factory=ContextConfig)
    budget_minutes: float = 2.5
    """The loop stops here, wherever the schedule is."""
    budget_clock: BudgetClock = "wall"
    """Which minutes: "wall" is how long somebody waits; "cpu" is what the first process computes,
    which other work on the machine hardly affects: benchmarks compare trainings by it."""
    epochs: float = 30.0
    """Passes over the users' windows; the schedule's length if time allows."""
    steps_max: int | None = None
    """Most steps of the optimiser; None is as many as `epochs` have."""
    positions_per_batch: int = 4096
    """Positions, prompts and pages together, of one step of the optimiser; an entity counts as one
    even where it is spelled in several."""
    user_windows_max: int | None = None
    """Most windows of a user in an epoch, drawn anew for each epoch: a history of thousands of
    steps has one for every 128, and they mostly overlap (docs/papers.md 3.1). None is all."""
    opening_cuts_max: int = 24
    """Cuts of a window, per batch, at which only the first row's first entity is predicted: what
    the history's objective learns must be predicted after a row's token, too."""
    page_cuts_max: int = 1
    """Cuts of a window, per batch, after which a whole page is predicted."""
    context_rate: float = 0.25
    """Share of pages and openings whose prompt has its context, if there is any. Not all of them:
    each repeats the context and its request, and prompts without one must stay trained."""
    learning_rate: float = 1e-3
    """Peak, after warm-up."""
    weight_decay: float = 0.02
    """AdamW's, on matrices."""
    warm_up: float = 0.05
    """Share of the run in which the learning rate grows."""
    dropout: float = 0.3
    """Of positions' embeddings and of residual branches."""
    step_dropout: float = 0.3
    """Share of a history's steps that the other positions of a batch cannot see, so that no
    prediction relies on one of them. Its worth is not shown yet (benchmarks/model.md)."""
    gradient_norm_max: float = 1.0
    """Gradients are clipped to this norm."""
    launch_rate: float = 0.02
    """Share of entities presented as new launches: drawn by events, with ID and counts hidden."""
    unknown_rate: float = 0.01
    """Share of entities presented without ID and counts, otherwise as they are: drawn evenly."""
    threads: int = 2
    """Threads of torch."""
    recompute: bool = False
    """Blocks are computed again in the backward pass instead of being stored: one more forward
    pass, but less memory (docs/training.md)."""
    checkpoint_every_s: float = 30.0
    """Seconds between checkpoints: the most work that is lost when a training is killed."""
    seed: int = 0
    """Of initial weights, pages and dropout."""
    gate_users_min: int = 30
    """Users that must be asked in a slice for the gate to pass a model: with fewer, its intervals,
    which come from resampling users, say little."""
    entity_epochs: float | None = None
    """Semantic IDs: epochs of the model of entity tokens that the codebook is made from; None:
    `epochs`. It has a time budget of its own, as long as the training's."""

    def __post_init__(self) -> None:
        if self.presentation.correct and self.pages_from == "constructed":
            raise ValueError(
                "presentation.correct: constructed pages were shown to nobody: set pages_from to "
                "both or logged, or leave it out"
            )
        if self.model.semantic:
            self._check_semantic()

    def _check_semantic(self) -> None:
        if self.objective.negatives:
            raise ValueError(
                "objective.negatives: codes are few, and all of them compete: set it to 0 with "
                "model.response semantic_ids"
            )
        if not self.objective.page_wise:
            raise ValueError(
                "objective.page_wise: an ID is read code by code, after the page before it: leave "
                "it true with model.response semantic_ids"
            )
        if self.post.share:
            raise ValueError(
                "post.share: what one code of several is worth is not defined: set it to 0 with "
                "model.response semantic_ids"
            )

    def to_json(self) -> dict[str, JsonValue]:
        """As `manifest.config`."""
        return TypeAdapter(dict[str, JsonValue]).validate_json(json.dumps(asdict(self)))
