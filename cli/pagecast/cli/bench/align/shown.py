"""Tables of `pagecast bench align` on the terminal."""

from collections.abc import Mapping, Sequence

from pagecast.cli.bench.align.cells import METRICS
from pagecast.cli.bench.align.comparisons import own_metric
from pagecast.cli.bench.align.coverage import Coverage
from pagecast.cli.bench.align.ids import IdsDifference, IdsRow
from pagecast.cli.bench.align.lifts import Lift
from pagecast.cli.bench.align.own_reward import DISTANCE, TRUE
from pagecast.cli.output import Output
from pagecast.simulator.interval import Estimate
from pagecast.trainer.alignment.config import RECIPES
from pagecast.trainer.benchmarks.logged_values import ENTITY_AUC, LOSS, ROW_AUC

MEGABYTE = 1e6

OVER_SEEDS = """over seeds: mean of the seeds' lifts of the reward; its interval is of trainings
done again, the others take the trained models as given
"""


def show_lifts(output: Output, title: str, lifts: Sequence[Lift]) -> None:
    """A line per pair compared; the JSON document has the rest."""
    found = {(one.contender, one.beside, one.metric): one for one in lifts}
    first, *others = METRICS
    rows = []
    for pair in dict.fromkeys((one.contender, one.beside) for one in lifts):
        one = found[*pair, first]
        lift, *more = (_change(found[*pair, metric].lift) for metric in METRICS)
        numbers = f"{one.ours:.3f}", f"{one.theirs:.3f}"
        rows.append((*pair, *numbers, lift, _change(one.over_seeds), *more))
    output.table(
        f"{title}: per session of simulated members, lifts with 95 % intervals",
        ("contender", "beside", first, "theirs", "lift", "over seeds", *others),
        rows,
    )
    output.say(OVER_SEEDS)


def show_of_log(output: Output, lifts: Sequence[Lift]) -> None:
    """A line per contender: GenPage's measures, and how far they are from the other's."""
    found = {(one.contender, one.metric): one for one in lifts}
    output.table(
        "On logged pages of members nobody learned from; differences with 95 % intervals",
        ("contender", "beside", "WBC loss", "", "entity AUC", "", "row AUC", ""),
        [
            (name, found[name, LOSS].beside, *_measured(found, name))
            for name in dict.fromkeys(one.contender for one in lifts)
        ],
    )
    output.say()


def _measured(found: Mapping[tuple[str, str], Lift], name: str) -> list[str]:
    cells: list[str] = []
    for measure in (LOSS, ENTITY_AUC, ROW_AUC):
        one = found.get((name, measure))
        if one is None:
            cells += ["", ""]
            continue
        told = one.difference
        known = told.low is not None and told.high is not None
        interval = f" ({told.low:+.3f} to {told.high:+.3f})" if known else ""
        cells += [f"{one.ours:.3f}", f"{told.mean:+.3f}{interval}"]
    return cells


def show_own(output: Output, lifts: Sequence[Lift]) -> None:
    """A line per aligned contender: what it learned from, and what that was worth."""
    found = {(one.contender, one.metric): one for one in lifts}
    rows = []
    for name in dict.fromkeys(one.contender for one in lifts):
        if name not in RECIPES:
            continue
        own, true, distance = (found[name, what] for what in (own_metric(name), TRUE, DISTANCE))
        rows.append(
            (
                name,
                own.metric,
                f"{own.ours:.3f}",
                _change(own.lift),
                f"{true.ours:.3f}",
                _change(true.lift),
                f"{distance.ours:.3f}",
                _change(distance.lift),
            )
        )
    output.table(
        "Own reward beside the truth of the same pages; changes from the pretrained model",
        ("recipe", "learned from", "own", "", "truth", "", "diversity", ""),
        rows,
    )
    output.say()


def show_trust(output: Output, trust: Mapping[str, float]) -> None:
    """Shows, below what the reward models say, how far they can be trusted."""
    if trust:
        told = ", ".join(f"{name} {value:.3f}" for name, value in trust.items())
        output.say(f"Reward models on members they did not learn from: {told}\n")


def show_ids(output: Output, rows: Sequence[IdsRow], differences: Sequence[IdsDifference]) -> None:
    output.table(
        "Ways to say an entity: NDCG@10, and what it costs",
        (
            "way",
            "known",
            "cold",
            "known alone",
            "cold alone",
            "prompt",
            "MB",
            "served",
            "CPU ms",
            "unmasked",
            "kept",
        ),
        [
            (
                row.name,
                f"{row.known:.4f}",
                f"{row.cold:.4f}",
                f"{row.among_known:.4f}",
                f"{row.among_cold:.4f}",
                f"{row.positions:.0f}",
                _number(row.weight_bytes / MEGABYTE, ".1f"),
                _number(row.served_bytes and row.served_bytes / MEGABYTE, ".1f"),
                _number(row.page_cpu_ms, ".1f"),
                _number(row.hallucination_rate, ".1%"),
                _number(row.rules_kept, ".1%"),
            )
            for row in rows
        ],
    )
    output.say(
        "prompt: positions; MB: of weights, and of what is served; CPU ms: a page with its prompt;"
        " unmasked: IDs of nothing; kept: pages within the rules\n"
    )
    output.table(
        "The same targets",
        ("way", "beside", "entities", "difference", "95 % interval", "of theirs"),
        [
            (
                one.name,
                one.beside,
                one.what,
                f"{one.difference.mean:+.4f}",
                f"{one.difference.interval.low:+.4f} to {one.difference.interval.high:+.4f}",
                _share(one.difference.mean / one.theirs if one.theirs else None),
            )
            for one in differences
        ],
    )
    output.say()


def show_coverage(output: Output, estimates: Sequence[Coverage]) -> None:
    output.table(
        "Off-policy estimates of a known truth",
        ("distance", "estimator", "inside", "bias", "effective pages", "warned", "inside if not"),
        [
            (
                f"{one.distance:g}",
                one.estimator,
                f"{one.inside:.0%}",
                f"{one.bias:+.3f}",
                f"{one.effective:,.0f}",
                f"{one.warned:.0%}",
                "" if one.inside_unwarned is None else f"{one.inside_unwarned:.0%}",
            )
            for one in estimates
        ],
    )
    output.say()


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:+.1%}"


def _change(lift: Estimate) -> str:
    if lift.low is None or lift.high is None:
        return _share(lift.mean)
    return f"{_share(lift.mean)} ({lift.low:+.0%} to {lift.high:+.0%})"


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else f"{value:{form}}"
