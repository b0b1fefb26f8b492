"""Which cells each table of `pagecast bench model` has."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from pydantic import JsonValue

from pagecast.trainer.benchmarks.ablations import ABLATIONS, Ablation
from pagecast.trainer.benchmarks.cells import Cell, DataView
from pagecast.trainer.config import ModelConfig
from pagecast.trainer.evaluation.protocols.splits import LEAVE_ONE_OUT, PREQUENTIAL
from pagecast.trainer.evaluation.systems.families import BASELINES
from pagecast.trainer.evaluation.systems.pagecast_system import PAGECAST
from pagecast.trainer.profiles import PROFILES

LENGTHS = (200, 512)
"""Of a padded SASRec: the length it is usually given, and that of our windows."""

SIZES, SHARES, CONTEXTS = ("tiny", "small", "base"), (0.5, 1.0), (128, 512)
"""Of scaling: profiles, shares of the users trained on, steps of a window."""

MODEL_OPTIONS: Mapping[str, Mapping[str, JsonValue]] = {
    "wide ages": {"model.age_dim": 32},
    "rotary base 1,000": {"model.rotary_base": 1_000.0},
    "as many key/value heads": {"model.kv_heads": 2},
    "narrow head": {"model.output_dim": 64},
    "conditioned head": {"model.conditioned_head": True, "objective.genres": 0.1},
    "old steps compressed": {"model.compress_keep": 64},
}
"""Options of `ModelConfig`, each exported on top of `tiny`. A new one is a line."""

QUICK_OPTIONS = ("conditioned head", "old steps compressed")
"""Of these, the ones whose graphs differ most: an export takes twenty seconds."""

CATALOGS, NEGATIVES = (10_000, 100_000, 1_000_000), 1024
"""Entities of the catalogs of cost, and how many a sampled softmax draws."""

WHOLE_MAX = 100_000
"""Entities up to which the whole softmax is measured: of a million, the logits of one batch would
take tens of gigabytes."""

QUICK_PAGES = 3
"""Of decoding: for seeing whether it works."""

RETRAIN_EVERY, QUICK_RETRAIN_EVERY = 250, 200
"""Targets of prequential between two retrainings; chosen on validation (benchmarks/model.md)."""

TRAINED_ONLY = "large"
"""The profile that is trained for one step and not exported: its graphs are 0.8 GB."""

PARITY_TRAINING: Mapping[str, JsonValue] = {"epochs": 1e-3, "positions_per_batch": 1024}
"""One step before an export, so that no weight is as it was drawn; few positions, so that `large`
fits in memory."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How much is measured. Reported figures come from the defaults."""

    seeds: tuple[int, ...] = (0, 1, 2)
    minutes: float | None = None
    """Of each training; None: the tables' own."""
    passes: float = 1.0
    """Of throughput, a round."""
    rounds: int = 3
    """Of throughput."""
    quick: bool = False
    """Leaves out cells that take long, or another reading of the data."""

    @property
    def training_minutes(self) -> float:
        """Of quality and ablations: enough for all passes of the default config on two cores."""
        return 30.0 if self.minutes is None else self.minutes

    @property
    def scaling_minutes(self) -> float:
        return 4.0 if self.minutes is None else self.minutes


def throughput(budget: Budget) -> list[Cell]:
    settings = {"passes": budget.passes, "rounds": budget.rounds}
    return [
        Cell(table="throughput", name=str(length), settings={"length": length, **settings})
        for length in (LENGTHS[:1] if budget.quick else LENGTHS)
    ]


def parity(budget: Budget) -> list[Cell]:
    """Every profile, and every option of the model on top of the first."""
    sizes = SIZES[:1] if budget.quick else (*SIZES, TRAINED_ONLY)
    shapes = {name: _shape(PROFILES[name]) for name in sizes}
    options = QUICK_OPTIONS if budget.quick else tuple(MODEL_OPTIONS)
    shapes |= {f"tiny, {name}": dict(MODEL_OPTIONS[name]) for name in options}
    return [
        Cell(
            table="parity",
            name=name,
            settings={
                "export": name != TRAINED_ONLY,
                "overrides": {**told, **PARITY_TRAINING},
            },
        )
        for name, told in shapes.items()
    ]


def scaling(budget: Budget) -> list[Cell]:
    sizes, contexts = (SIZES[:2], CONTEXTS[-1:]) if budget.quick else (SIZES, CONTEXTS)
    return [
        Cell(
            table="scaling",
            name=f"{size}, {share:.0%} of users, {context} steps",
            view=DataView(steps_max=context),
            settings={
                "overrides": {
                    **_shape(PROFILES[size]),
                    "budget_minutes": budget.scaling_minutes,
                },
                "users_share": share,
            },
            seed=budget.seeds[0],
        )
        for size, share, context in product(sizes, SHARES, contexts)
    ]


def ablations(budget: Budget) -> list[Cell]:
    return [
        Cell(
            table="ablations",
            name=ablation.name,
            view=ablation.view,
            settings={
                "overrides": {
                    "budget_minutes": budget.training_minutes,
                    **ablation.overrides,
                }
            },
            seed=seed,
        )
        for ablation in ABLATIONS
        for seed in budget.seeds
        if not budget.quick or _is_quick(ablation)
    ]


def _is_quick(ablation: Ablation) -> bool:
    """Needs no other reading of the data, and is no size, of which scaling has some."""
    sizes = {"model.d_model", "model.layers"} & ablation.overrides.keys()
    return ablation.view.reading == DataView() and not sizes


def quality(budget: Budget) -> list[Cell]:
    """The model with every seed, the baselines once: they draw nothing.

    In prequential both as they were fitted, and retrained on the way.
    """
    systems = [(name, budget.seeds[0]) for name in BASELINES if not budget.quick]
    systems += [(PAGECAST, seed) for seed in budget.seeds]
    retrain_every = QUICK_RETRAIN_EVERY if budget.quick else RETRAIN_EVERY
    return [
        Cell(
            table="quality",
            name=f"{protocol}, {system}",
            settings={
                "protocol": protocol,
                "system": system,
                "retrain_every": retrain_every if protocol == PREQUENTIAL else 0,
                "overrides": {"budget_minutes": budget.training_minutes},
            },
            seed=seed,
        )
        for protocol, (system, seed) in product((LEAVE_ONE_OUT, PREQUENTIAL), systems)
    ]


def cost(budget: Budget) -> list[Cell]:
    """A step by the size of the catalog, on made-up data: what was read is not looked at."""
    sizes = CATALOGS[:1] if budget.quick else CATALOGS
    told = [(entities, NEGATIVES) for entities in sizes]
    told += [(entities, 0) for entities in sizes if entities <= WHOLE_MAX]
    return [
        Cell(
            table="cost",
            name=f"{entities:,} entities, {f'{negatives:,} drawn' if negatives else 'all'}",
            settings={
                "entities": entities,
                "negatives": negatives,
                "overrides": {"positions_per_batch": 2048},
            },
        )
        for entities, negatives in told
    ]


def decoding(budget: Budget) -> list[Cell]:
    """The default config with every seed: what cheaper decoding costs depends on the weights."""
    overrides: dict[str, JsonValue] = {"budget_minutes": budget.training_minutes}
    settings: dict[str, JsonValue] = {"overrides": overrides}
    if budget.quick:
        settings["pages"] = QUICK_PAGES
    return [Cell(table="decoding", name="default", settings=settings, seed=s) for s in budget.seeds]


TABLES: Mapping[str, Callable[[Budget], list[Cell]]] = {
    "quality": quality,
    "ablations": ablations,
    "throughput": throughput,
    "scaling": scaling,
    "parity": parity,
    "cost": cost,
    "decoding": decoding,
}
"""What `--tables` knows, in the order in which they are reported."""


def cells(names: Sequence[str], budget: Budget) -> list[Cell]:
    """The cells of some tables. Raises ValueError for a name that is none of theirs."""
    for name in names:
        if name not in TABLES:
            raise ValueError(f"tables: {name!r} is none of {', '.join(TABLES)}")
    return [cell for name in dict.fromkeys(names) for cell in TABLES[name](budget)]


def _shape(model: ModelConfig) -> dict[str, JsonValue]:
    return {f"model.{name}": value for name, value in vars(model).items()}
