"""What `pagecast train --align` says about the reward models behind it."""

import io

from rich.console import Console

from pagecast.cli.output import Output
from pagecast.cli.training.align_view import show_alignment

FIGURES = {
    "learned": 1200,
    "judged": 1100,
    "members": 40,
    "error": 0.5,
    "error_of_mean": 0.6,
    "explained": 0.3056,
    "correlation": None,
    "auc": 0.71,
}

ROUND = {"reward": -0.25, "judged": -0.5, "kl": 0.01, "nll": 0.0, "page_tokens": 18.0}


def test_figures_out_of_sample_and_the_first_and_last_round() -> None:
    models = {name: {**FIGURES, "name": name} for name in ("page", "preference")}
    told = {"reward_models": models, "first_round": ROUND, "last_round": ROUND | {"kl": 0.02}}
    output, text = Output(as_json=False), io.StringIO()
    output.console = Console(file=text, width=120)
    show_alignment(output, told)
    said = text.getvalue()
    for part in ("members they have not learned from", "1,200", "0.3056", "-0.2500", "0.0200"):
        assert part in said
