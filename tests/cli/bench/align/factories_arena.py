"""A few made-up people, and contenders that take no export."""

from functools import cache
from pathlib import Path

from pagecast.cli.bench.align.data import ArenaData, of_interactions
from pagecast.cli.bench.align.workshop import Effort, Workshop
from pagecast.featurestore.history.fold import DEFAULT_FOLD
from pagecast.trainer.benchmarks.made_up import made_up

EFFORT = Effort(members=6, days=2, passes=0.1, rounds=1)


@cache
def arena() -> ArenaData:
    return of_interactions(made_up(DEFAULT_FOLD, users=12, entities=60))


def workshop(folder: Path, seed: int = 1) -> Workshop:
    return Workshop(arena(), seed, EFFORT, folder)
