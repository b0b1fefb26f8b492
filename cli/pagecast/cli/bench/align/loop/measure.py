"""Runs the loop, arm after arm."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from pagecast.cli.bench.align.data import ArenaData
from pagecast.cli.bench.align.loop import generative, stages
from pagecast.cli.bench.align.loop.arm import LoopArm
from pagecast.cli.bench.align.loop.config import ARMS, Arm, LoopConfig
from pagecast.cli.bench.align.loop.kept import KeptArm, KeptRun
from pagecast.cli.bench.align.loop.learning import Learner
from pagecast.cli.bench.align.loop.models import Models, published
from pagecast.cli.bench.align.loop.rows import Row
from pagecast.cli.bench.align.telling import Told
from pagecast.engine.bundles.served_model import load_served


def measure_loop(
    config: LoopConfig,
    data: ArenaData,
    commit: str,
    say: Told,
    begin: Callable[[str, int], None] = lambda _part, _number: None,
) -> list[Row]:
    """The days of every arm and seed, in order; `begin` takes each and how many came before it.

    Raises InputError if `config.folder` belongs to another run.
    """
    rows: list[Row] = []
    with _folder(config) as folder:
        run = KeptRun(folder, _facts(config, data, commit))
        parts = [(seed, name) for seed in config.seeds for name in config.arms]
        for number, (seed, name) in enumerate(parts):
            kept = run.arm(name, seed)
            if not kept.done(config.days):
                begin(f"{number + 1} of {len(parts)}, {name}, seed {seed}", number)
                _measure(name, seed, config, data, run, kept, say)
            rows += kept.rows[: config.days]
    return rows


def _measure(
    name: str,
    seed: int,
    config: LoopConfig,
    data: ArenaData,
    run: KeptRun,
    kept: KeptArm,
    say: Told,
) -> None:
    arm = ARMS[name]
    first = _first(run, arm, seed, config, data, say)
    learner = _learner(arm, seed, config, data, first, kept) if arm.learns else None
    LoopArm(name, arm, seed, config, data, load_served(first), learner, kept).run(say)


def _first(
    run: KeptRun, arm: Arm, seed: int, config: LoopConfig, data: ArenaData, say: Told
) -> Path:
    """The bundle that arms with this model begin with, trained on the data alone."""
    place, what = run.first(arm.model, seed), f"the first {arm.model} model"
    if published(place) is None:
        say(what, 0.0)
        if arm.model == "multi-stage":
            stages.train_first(place, data.snapshot, seed)
        else:
            train = generative.train_config(config.train, seed)
            checkpoints = run.checkpoints(arm.model, seed)
            generative.train_first(
                place, data.snapshot, train, checkpoints, lambda share: say(what, share)
            )
    bundle = published(place)
    assert bundle is not None
    return bundle


def _learner(
    arm: Arm, seed: int, config: LoopConfig, data: ArenaData, first: Path, kept: KeptArm
) -> Learner:
    models, people = Models(kept.models), data.snapshot.users
    if arm.model == "multi-stage":
        return stages.StagesLearner(models, first, people)
    train = generative.train_config(config.train, seed)
    return generative.GenerativeLearner(models, first, people, train, arm)


def _facts(config: LoopConfig, data: ArenaData, commit: str) -> dict[str, str]:
    """Leaves out arms, seeds and days: a run may go on with more of them."""
    return {
        "commit": commit,
        "data_sha256": data.people.sha256,
        "simulator_sha256": config.simulator.sha256,
        "train_sha256": sha256(repr(config.train).encode()).hexdigest(),
        "members": str(config.members),
    }


@contextmanager
def _folder(config: LoopConfig) -> Iterator[Path]:
    if config.folder is not None:
        yield config.folder
        return
    with tempfile.TemporaryDirectory(prefix="loop-") as folder:
        yield Path(folder)
