"""A made-up experiment in an offline log: pages with arms, and what their users did."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import sqlalchemy as sa
from factories import START_MS, movie, timestamp, upsert
from featurestore.factories_offline import on_page, row_of

from pagecast.featurestore.catalog.catalog import Catalog
from pagecast.featurestore.experiments.assignment import Arm, Experiment
from pagecast.featurestore.experiments.store import Experiments
from pagecast.featurestore.experiments.tables import ExperimentRow
from pagecast.featurestore.models.registry import Registry
from pagecast.featurestore.offline import LoggedPage, OfflineLog
from pagecast.featurestore.positions import LogOffset
from pagecast.v1 import events_pb2

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

GENRES = {"e0": ("Drama",), "e1": ("Drama",), "e2": ("Comedy",), "e3": ("Western",)}


class Log:
    """Collects pages and events; `write` makes an offline log of them."""

    def __init__(self) -> None:
        self._pages: list[LoggedPage] = []
        self._events: list[events_pb2.InteractionEvent] = []

    def page(
        self,
        user_id: str,
        at_ms: int,
        arm: str,
        *,
        clicked: Sequence[str] = (),
        completed: Sequence[str] = (),
        entities: Sequence[str] = ("e0", "e1", "e2"),
        version: str = "v1",
        degraded: str = "",
        device: str = "tv",
        temperature: float = 0.0,
        first_row_ms: int | None = None,
        page_id: str = "",
        rows_before: int = 0,
    ) -> None:
        """A record of one row, all of it seen: a page, or a part of the page `page_id`."""
        page_id = page_id or f"p{len(self._pages)}"
        served = events_pb2.PageServed(
            page_id=page_id,
            user_id=user_id,
            requested_at=timestamp(at_ms),
            context=events_pb2.RequestContext(device=device, country="NO"),
            model_version=version,
            arm=arm,
            degraded_reason=degraded,
            rows=[events_pb2.ServedRow(row_id="r0", entity_ids=entities)],
            rows_before=[events_pb2.ServedRow(row_id="r0")] * rows_before,
            sampling=events_pb2.Sampling(temperature=temperature),
        )
        if first_row_ms is not None:
            served.time_to_first_row.FromMilliseconds(first_row_ms)
        value = served.SerializeToString()
        self._pages.append(LoggedPage("pages/1", 0, len(self._pages), served, value))
        seen = events_pb2.SeenRow(row_id="r0", entity_ids=entities)
        about = {"page_id": page_id, "user_id": user_id}
        impression = events_pb2.Impression(rows=[seen])
        self._events.append(on_page(at_ms + 1, impression=impression, **about))
        for entity_id in clicked:
            click = events_pb2.Click(entity_id=entity_id)
            self._events.append(on_page(at_ms + 1000, click=click, **about))
        for entity_id in completed:
            stop = events_pb2.Stop(entity_id=entity_id, completed=True)
            self._events.append(on_page(at_ms + 2000, stop=stop, **about))

    def write(self, folder: Path) -> OfflineLog:
        log = OfflineLog(folder)
        log.append_pages(self._pages)
        log.append([row_of(event, offset) for offset, event in enumerate(self._events)])
        return log


def registered(engine: sa.Engine) -> Experiment:
    """A catalog, two models, and an experiment between them that has begun."""
    changes = [upsert(movie(entity_id, *genres)) for entity_id, genres in GENRES.items()]
    Catalog(engine).apply(
        [
            (LogOffset(topic_id="t", partition=0, offset=offset), change)
            for offset, change in enumerate(changes)
        ]
    )
    registry = Registry(engine)
    for version in ("v1", "v2"):
        registry.register(version, parent_version=None, metrics={}, data={})
    registry.promote("v1", by="test")
    registry.point("rival", "v2", by="test")
    arms = (Arm(alias="champion", share=0.5), Arm(alias="rival", share=0.5))
    experiments = Experiments(engine)
    experiments.start("one", arms)
    with engine.begin() as connection:
        # So that everybody is in the same arm whenever the tests run.
        connection.execute(sa.update(ExperimentRow).values(salt=b"salt"))
    return experiments.get("one")


def clicking(users: int, experiment: Experiment, lift: float, seed: int = 0) -> Log:
    """A page before and a page in the experiment for each user; the rival's click more.

    Who clicks much before clicks much after. The last page comes two days later.
    """
    rng = np.random.default_rng(seed)
    log = Log()
    for number in range(users):
        user_id = f"user-{number}"
        arm = experiment.draw(user_id)
        assert arm is not None
        taste = rng.uniform(0.1, 0.9)
        more = lift if arm == "rival" else 0.0
        device = "tv" if number % 3 else "web"
        for at_ms, label, chance in (
            (START_MS - DAY_MS, "champion", taste),
            (START_MS + number, f"one/{arm}", taste + more),
        ):
            clicked = [entity for entity in ("e0", "e1", "e2") if rng.random() < chance]
            version = "v2" if label == "one/rival" else "v1"
            log.page(user_id, at_ms, label, clicked=clicked, version=version, device=device)
    log.page("nobody", START_MS + 2 * DAY_MS, "champion")
    return log
