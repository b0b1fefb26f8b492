"""An arm's log: pages as a server reports them, days as logged pages, and pages made before."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cli.bench.align.factories_loop import EAGER, arena

from pagecast.cli.bench.align.data import ArenaData
from pagecast.cli.bench.align.exploration import Exploration
from pagecast.cli.bench.align.loop.log import LoopLog, SeenPage
from pagecast.cli.bench.align.loop.platform import LoopPlatform
from pagecast.cli.exits import InputError
from pagecast.featurestore.offline import OfflineLog
from pagecast.simulator.config import LifeConfig, SimulatorConfig
from pagecast.simulator.run import simulate
from pagecast.simulator.run_config import RunConfig
from pagecast.v1 import events_pb2

DAYS = 2


@dataclass
class Lived:
    """Days of a few members on pages by popularity."""

    log: LoopLog
    days: list[list[SeenPage]] = field(default_factory=list)
    begins: list[int] = field(default_factory=list)


@pytest.fixture(scope="module")
def data() -> ArenaData:
    return arena()


def live(data: ArenaData, folder: Path, simulator: SimulatorConfig = EAGER) -> Lived:
    lived = Lived(LoopLog(folder / "log"))
    catalog = data.snapshot.catalog
    platform = LoopPlatform(
        None, catalog, data.counts, data.start_ms, Exploration(share=0.5), lived.log
    )

    def over(_day: int, _members: int) -> None:
        lived.days.append(lived.log.close_day())
        lived.begins.append(lived.log.day_begins)

    config = RunConfig(
        members=4,
        days=DAYS,
        start_ms=data.start_ms,
        readers=1,
        reaction_members=0,
        simulator=simulator,
    )
    simulate(data.people, config, platform, folder / "members", over=over)
    return lived


@pytest.fixture(scope="module")
def lived(data: ArenaData, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Lived]:
    folder = tmp_path_factory.mktemp("lived")
    return folder, live(data, folder)


def test_a_page_is_logged_with_the_prompt_it_was_made_from(lived: tuple[Path, Lived]) -> None:
    pages = [one for day in lived[1].days for one in day]
    assert pages
    for one in pages:
        assert one.prompt.sha256() == one.page.prompt_sha256
        assert one.outcome.value == one.page.SerializeToString()
        assert one.page.history_version.topic_id
        for row in one.page.rows:
            assert len(row.entity_ids) == len(row.entity_log_probabilities)
    assert {one.page.HasField("sampling") for one in pages} == {True, False}


def test_what_members_do_is_an_outcome_of_the_page_of_its_day(lived: tuple[Path, Lived]) -> None:
    days = lived[1].days
    assert len(days) == DAYS
    for day in days:
        assert len({one.page.page_id for one in day}) == len(day)
    plays = [
        (one, event.play.entity_id)
        for day in days
        for one in day
        for event in _on(one.page.page_id, lived[1].log)
        if event.WhichOneof("action") == "play"
    ]
    assert plays
    for one, entity_id in plays:
        assert entity_id in [entity.entity_id for entity in one.outcome.entities if entity.played]


def test_what_was_before_the_first_page_is_not_new(lived: tuple[Path, Lived]) -> None:
    _, one = lived
    events = sorted(
        (row for rows in one.log.events_of.values() for row in rows), key=lambda row: row.offset
    )
    assert [row.offset for row in events] == list(range(len(events)))
    before = [row for row in events if row.offset < one.begins[0]]
    assert before and not any(_page_of(row.value) for row in before)
    assert all(_page_of(row.value) for row in events[one.begins[0] :])


def test_a_page_that_was_made_is_not_made_again(data: ArenaData, lived: tuple[Path, Lived]) -> None:
    folder, before = lived
    kept = len(OfflineLog(folder / "log").read_pages())
    again = live(data, folder)
    assert again.days == before.days
    assert len(OfflineLog(folder / "log").read_pages()) == kept


def test_pages_of_other_members_are_refused(data: ArenaData, tmp_path: Path) -> None:
    live(data, tmp_path)
    other = SimulatorConfig(life=LifeConfig(sessions_a_day=1.5, past_plays=3))
    with pytest.raises(InputError, match="is of another run"):
        live(data, tmp_path, other)


def _on(page_id: str, log: LoopLog) -> list[events_pb2.InteractionEvent]:
    every = (row.value for rows in log.events_of.values() for row in rows)
    events = map(events_pb2.InteractionEvent.FromString, every)
    return [event for event in events if event.context.page_id == page_id]


def _page_of(value: bytes) -> str:
    return events_pb2.InteractionEvent.FromString(value).context.page_id
