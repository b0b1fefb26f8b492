"""How the reward models behind an alignment are shown."""

from collections.abc import Mapping
from typing import Any

from pagecast.cli.output import Output

_FIGURES = (
    "learned",
    "judged",
    "members",
    "error",
    "error_of_mean",
    "explained",
    "correlation",
    "auc",
)
_ROUND = ("reward", "judged", "kl", "nll", "page_tokens")


def show_alignment(output: Output, told: Mapping[str, Any]) -> None:
    """`told` is a manifest's `data.align`: reward models out of sample, first and last round."""
    models = told["reward_models"]
    output.table(
        "\nreward models, on members they have not learned from",
        ("", *(name.replace("_", " ") for name in _FIGURES)),
        [
            (models[name]["name"], *(_cell(models[name][figure]) for figure in _FIGURES))
            for name in ("page", "preference")
        ],
    )
    rounds = [(name, told[name]) for name in ("first_round", "last_round") if told[name]]
    output.table(
        "\nrounds",
        ("", "own reward", "judged", "KL a token", "NLL", "tokens of a page"),
        [
            (name.replace("_", " "), *(_cell(at[figure]) for figure in _ROUND))
            for name, at in rounds
        ],
    )


def _cell(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"
