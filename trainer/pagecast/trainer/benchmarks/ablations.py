"""What each part is worth: one change per row. What was not worth it stays here, too.

A new idea is one line: its name, the config's values by dotted name (`trainer/overrides.py`), and
what of the data it must do without.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from pagecast.trainer.benchmarks.cells import UNMERGED, DataView


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """One change to the defaults."""

    name: str
    overrides: Mapping[str, JsonValue] = field(default_factory=dict)
    view: DataView = field(default_factory=DataView)


DEFAULT = "as it is"

_SMALL: Mapping[str, JsonValue] = {
    "model.d_model": 256,
    "model.layers": 4,
    "model.query_heads": 4,
    "model.mlp_hidden": 768,
}

_SPELLED: Mapping[str, JsonValue] = {"model.response": "semantic_ids"}

_AUXILIARY: Mapping[str, JsonValue] = {"objective.genres": 0.1, "objective.languages": 0.1}

ABLATIONS = (
    Ablation(name=DEFAULT),
    # Objectives.
    Ablation(name="next entity only", overrides={"objective.ahead_max": 1}),
    Ablation(
        name="twelve entities ahead",
        overrides={"objective.ahead_max": 12, "objective.ahead_decay": 0.85},
    ),
    Ablation(name="no pages, openings stay", overrides={"page_cuts_max": 0, "objective.rows": 0.0}),
    Ablation(name="no rows", overrides={"objective.rows": 0.0}),
    Ablation(name="no openings", overrides={"opening_cuts_max": 0}),
    Ablation(name="what was seen competes", overrides={"objective.seen_compete": True}),
    Ablation(name="genres and languages too", overrides=_AUXILIARY),
    Ablation(
        name="entities conditioned on them",
        overrides={**_AUXILIARY, "model.conditioned_head": True},
    ),
    Ablation(name="256 drawn entities compete", overrides={"objective.negatives": 256}),
    Ablation(name="no objective on histories", overrides={"objective.history": 0.0}),
    # Against over-fitting.
    Ablation(name="no step dropout", overrides={"step_dropout": 0.0}),
    Ablation(name="step dropout 0.4", overrides={"step_dropout": 0.4}),
    Ablation(name="no dropout", overrides={"dropout": 0.0}),
    Ablation(name="dropout 0.4", overrides={"dropout": 0.4}),
    # Entities never seen before.
    Ablation(name="nothing presented as new", overrides={"launch_rate": 0.0, "unknown_rate": 0.0}),
    Ablation(name="launches 8 %", overrides={"launch_rate": 0.08}),
    # What is known of entities and moments.
    Ablation(name="no genres", view=DataView(without=("genres",))),
    Ablation(name="no years and ages", view=DataView(without=("years",))),
    Ablation(name="no metadata", view=DataView(without=("metadata",))),
    Ablation(name="no times, order alone", view=DataView(without=("times",))),
    # Prompts.
    Ablation(
        name="no context",
        overrides={"context.summaries_max": 0, "context.new_max": 0, "context.live_max": 0},
    ),
    Ablation(name="no summaries", overrides={"context.summaries_max": 0}),
    Ablation(name="no new entities", overrides={"context.new_max": 0}),
    Ablation(name="old steps compressed, 64 kept", overrides={"model.compress_keep": 64}),
    # Entities on a page.
    Ablation(name="semantic IDs", overrides=_SPELLED),
    Ablation(name="semantic IDs, no step dropout", overrides={**_SPELLED, "step_dropout": 0.0}),
    Ablation(
        name="the same, prompts spelled out",
        overrides={**_SPELLED, "step_dropout": 0.0, "model.merge_prompt": False},
    ),
    # Histories.
    Ablation(
        name="a step for every event",
        overrides={"engagement.rate": UNMERGED.rate},
        view=DataView(merged=False),
    ),
    Ablation(name="histories of 32", view=DataView(steps_max=32)),
    Ablation(name="histories of 128", view=DataView(steps_max=128)),
    # Size.
    Ablation(name="half as wide", overrides={"model.d_model": 64, "model.mlp_hidden": 128}),
    Ablation(name="four layers", overrides={"model.layers": 4}),
    Ablation(name="profile small", overrides=_SMALL),
)
"""All beside the first one, on the same seeds."""
