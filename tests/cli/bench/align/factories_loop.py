"""Small worlds for the closed loop, and made-up days."""

import dataclasses
from collections.abc import Mapping, Sequence

from trainer.factories_logged import SEEN

from pagecast.cli.bench.align.data import ArenaData, of_interactions
from pagecast.cli.bench.align.loop.exposure import Exposure
from pagecast.cli.bench.align.loop.log import SeenPage
from pagecast.cli.bench.align.loop.rows import Row
from pagecast.featurestore.catalog.snapshot import CatalogEntity, CatalogSnapshot
from pagecast.featurestore.history.fold import DEFAULT_FOLD
from pagecast.featurestore.history.history import Profile
from pagecast.featurestore.pages.logged_pages import EntityOutcome, LoggedPageOutcome
from pagecast.featurestore.prompt.prompt import Prompt, RequestHalf
from pagecast.simulator.config import AppetiteConfig, LifeConfig, SimulatorConfig
from pagecast.trainer.benchmarks.made_up import made_up
from pagecast.trainer.config import ModelConfig, PageConfig, TrainConfig
from pagecast.trainer.start_config import IncrementalConfig
from pagecast.v1 import catalog_pb2, events_pb2

EAGER = SimulatorConfig(appetite=AppetiteConfig(nothing=1.0), life=LifeConfig(sessions_a_day=1.5))
"""Members who nearly always find something, so that a few of them are enough."""

TINY = TrainConfig(
    model=ModelConfig(d_model=64, layers=1, query_heads=1, mlp_hidden=64),
    epochs=0.3,
    page=PageConfig(rows_max=2, entities_max=3),
    incremental=IncrementalConfig(epochs=1.0),
)


def arena(users: int = 12, entities: int = 60) -> ArenaData:
    return of_interactions(made_up(DEFAULT_FOLD, users=users, entities=entities))


def seen(*names: str) -> list[EntityOutcome]:
    """Entities that were seen, and nothing followed."""
    return [SEEN._replace(entity_id=name, row_id="top") for name in names]


def completed(name: str) -> EntityOutcome:
    """One that was acted upon, and never named in an impression."""
    return SEEN._replace(entity_id=name, seen=False, played=True, completed=True, abandoned=False)


def seen_page(
    user_id: str, session_id: str, entities: Sequence[EntityOutcome], *, drawn: bool = False
) -> SeenPage:
    page = events_pb2.PageServed(
        user_id=user_id,
        context=events_pb2.RequestContext(session_id=session_id),
        sampling=events_pb2.Sampling(temperature=1.0) if drawn else None,
    )
    return SeenPage(
        page=page,
        prompt=Prompt(profile=Profile(), steps=(), request=RequestHalf(at_ms=0)),
        outcome=LoggedPageOutcome("page", user_id, 0, "", "", b"", tuple(entities)),
    )


def catalog_of(*names: str) -> CatalogSnapshot:
    """Films with these names, in this order."""
    entities = (
        CatalogEntity(
            entity_id=name,
            kind=catalog_pb2.ENTITY_KIND_MOVIE,
            title=name,
            number=1,
            changed_at_ms=0,
            genres=(),
            attributes={},
        )
        for name in names
    )
    return CatalogSnapshot(number=1, entities=tuple(entities), rows=())


EXPOSURE = Exposure(
    impressions=100, tail=0.2, launched=0.0, entities=20, coverage=0.5, effective=9.0
)


def row(
    arm: str,
    day: int,
    of_members: Mapping[int, tuple[int, float]],
    *,
    seed: int = 0,
    exposure: Exposure = EXPOSURE,
) -> Row:
    """A day of three members: sessions and reward by number of those who came."""
    told = [of_members.get(member, (0, 0.0)) for member in range(3)]
    return Row(
        arm=arm,
        seed=seed,
        day=day,
        members=3,
        pages=10,
        drawn_pages=0,
        drawn_reward=0.0,
        sessions_M=tuple(sessions for sessions, _ in told),
        reward_M=tuple(reward for _, reward in told),
        exposure=exposure,
    )


def days_with_tail(arm: str, shares: Sequence[float]) -> list[Row]:
    """A day a share of the long tail; everything else is the same every day."""
    return [
        row(arm, day, {0: (1, 1.0)}, exposure=dataclasses.replace(EXPOSURE, tail=share))
        for day, share in enumerate(shares)
    ]
