"""What a step of training costs as the catalog grows, with a whole and with a sampled softmax."""

import dataclasses
import resource
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pagecast.featurestore.catalog.snapshot import NEXT_ROW
from pagecast.featurestore.history.history import Action, Profile, Step
from pagecast.featurestore.prompt.vocabulary import Vocabulary
from pagecast.rules.compiled_catalog import CompiledCatalog
from pagecast.trainer.benchmarks.cells import Figures
from pagecast.trainer.benchmarks.made_up import BEGIN_MS, GENRES, made_up_catalog
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.data.dataset import Dataset, fallback_row, next_row
from pagecast.trainer.data.replay import UserSteps
from pagecast.trainer.data.users import columns
from pagecast.trainer.evaluation.protocols.interactions import Interactions
from pagecast.trainer.fitting.processes import Processes
from pagecast.trainer.fitting.run import Run
from pagecast.trainer.pages.constructed import PageBuilder
from pagecast.trainer.pages.pools import Pools

MINUTE_MS = 60_000


@dataclass(frozen=True, kw_only=True)
class StepCost:
    """One size of a catalog. `negatives` 0 is the whole softmax.

    `cpu_seconds` are the median step's, page drawing included; `setup_cpu_seconds` is what is
    computed once. `peak_bytes` is the most this process has ever held.
    """

    entities: int
    negatives: int
    cpu_seconds: float
    setup_cpu_seconds: float
    peak_bytes: int


def step_costs(
    sizes: Sequence[int],
    negatives: int,
    config: TrainConfig,
    *,
    users: int = 200,
    user_steps: int = 60,
    steps: int = 5,
    warm_steps: int = 2,
) -> Iterator[StepCost]:
    """Trains `steps` steps on each made-up catalog of `sizes`; `warm_steps` before do not count.

    Every entity has an ID. Steps are of entities drawn evenly, so that hardly two are of the same
    one in a large catalog: the most entities a batch can bring. Set torch's threads before; memory
    is the caller's to know: a whole softmax holds a number for each target position and entity
    several times over.
    """
    objective = dataclasses.replace(config.objective, negatives=negatives)
    told = dataclasses.replace(config, objective=objective, epochs=1e6, budget_minutes=1e6)
    for entities in sizes:
        began_s = time.process_time()
        run = _run(evenly_played(entities, users, user_steps, told), told)
        for _ in range(warm_steps):
            run.step()
        setup_s = time.process_time() - began_s
        yield StepCost(
            entities=entities,
            negatives=negatives,
            cpu_seconds=statistics.median(_timed(run) for _ in range(steps)),
            setup_cpu_seconds=setup_s,
            peak_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        )


def stepped(
    _: Interactions,
    config: TrainConfig,
    *,
    entities: int,
    negatives: int,
    told: Callable[[float], None] = lambda _: None,
) -> Figures:
    """The cost at one size, in a process of its own, so that the peak of memory is its own."""
    (cost,) = step_costs([entities], negatives, config)
    told(1.0)
    return {
        "cpu_seconds": cost.cpu_seconds,
        "setup_cpu_seconds": cost.setup_cpu_seconds,
        "peak_gigabytes": cost.peak_bytes / 1e9,
    }


def evenly_played(entities: int, users: int, user_steps: int, config: TrainConfig) -> Dataset:
    """Users who each played entities drawn evenly, a minute apart."""
    rng = np.random.default_rng(0)
    catalog = made_up_catalog(rng, entities)
    people = tuple(_user(number, entities, user_steps, rng) for number in range(users))
    vocabulary = Vocabulary(
        entities=tuple(e.entity_id for e in catalog.entities),
        entity_interactions=(1,) * entities,
        rows=(NEXT_ROW,),
        genres=GENRES,
        languages=(),
        countries=(),
        devices=("tv",),
        surfaces=(),
    )
    by_user = tuple(columns(user, catalog, config.engagement) for user in people)
    return Dataset(catalog=catalog, vocabulary=vocabulary, users=people, columns=by_user)


def _run(data: Dataset, config: TrainConfig) -> Run:
    builder = PageBuilder(
        Pools(CompiledCatalog(data.catalog), data.columns),
        next_row=next_row(data.catalog),
        fallback_row=fallback_row(data.catalog),
        config=config.page,
    )
    return Run(data, builder, config, Processes())


def _timed(run: Run) -> float:
    began_s = time.process_time()
    run.step()
    return time.process_time() - began_s


def _user(number: int, entities: int, steps: int, rng: np.random.Generator) -> UserSteps:
    return UserSteps(
        user_id=f"u{number}",
        profile=Profile(),
        steps=tuple(
            Step(
                occurred_at_ms=BEGIN_MS + place * MINUTE_MS,
                action=Action.PLAY_FEATURE,
                entity_id=f"e{entity}",
                device="tv",
            )
            for place, entity in enumerate(rng.integers(0, entities, steps).tolist())
        ),
        first_N=np.zeros(steps, np.int64),
        cut_N=np.ones(steps, np.bool_),
        new_N=np.zeros(steps, np.bool_),
    )
