"""A simulation: members visit the platform, day by day."""

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from pagecast.simulator.chance import Chance
from pagecast.simulator.data import TrainingData
from pagecast.simulator.errors import MembersKnown
from pagecast.simulator.launches import premieres
from pagecast.simulator.ledger import Ledger
from pagecast.simulator.lives import Lives
from pagecast.simulator.member import Member, new_member
from pagecast.simulator.pace import Pace
from pagecast.simulator.platform import Platform
from pagecast.simulator.progress import DAYS, PASTS, Progress, Told
from pagecast.simulator.reaction import reactions
from pagecast.simulator.report import ALL_LEFT, DAYS_OVER, Report, Tallies
from pagecast.simulator.run_config import RunConfig
from pagecast.simulator.session import SessionRecord, play_session
from pagecast.simulator.visits import Arrival, arrivals, past
from pagecast.simulator.world import DAY_MS, World

PAUSE_MS = 5 * 60 * 1000
"""Least time between two sessions of a member."""


DayOver = Callable[[int, int], None]
"""Takes a day, from 0, whose sessions are all over, and how many members are left. Nobody visits
the platform meanwhile, so it may learn what the day has brought."""

_Result = TypeVar("_Result")


def simulate(
    data: TrainingData,
    config: RunConfig,
    platform: Platform,
    folder: Path,
    told: Told = lambda _: None,
    over: DayOver = lambda _day, _members: None,
) -> Report:
    """Runs a simulation; its records are kept in `folder`.

    Raises SimulationFailed and the event log's errors.
    """
    return _Simulation(data, config, platform, folder, told, over).run()


class _Simulation:
    def __init__(
        self,
        data: TrainingData,
        config: RunConfig,
        platform: Platform,
        folder: Path,
        told: Told,
        over: DayOver,
    ) -> None:
        self._config, self._platform = config, platform
        self._told, self._over = told, over
        self._chance = Chance(config.seed)
        self._world = World(data, config.simulator, self._chance)
        self._prefix = f"{config.prefix}-{config.seed}"
        self._members = [
            new_member(self._world, self._chance, number, f"{self._prefix}-{number}")
            for number in range(config.members)
        ]
        self._lives = Lives(config.reaction_members)
        self._ledger = Ledger(folder)
        self._tallies = Tallies(start_ms=config.start_ms, known=self._world.by_id)
        self._sessions = self._launched = 0
        # Counted once a day: progress is told with every session.
        self._here = config.members

    def run(self) -> Report:
        day = 0
        self._check_platform()
        with ThreadPoolExecutor(self._config.readers) as readers:
            self._begin(readers)
            pace = Pace(self._config.speed, self._config.start_ms)
            while day < self._config.days and any(self._present()):
                self._day(day, readers, pace)
                day += 1
            seconds = pace.seconds
        self._tallies.add_rewards(self._ledger, self._config.reward)
        measured, twins_unconfirmed = reactions(
            self._world, self._platform, self._lives.chosen(), self._tell
        )
        return Report(
            config=self._config,
            data_sha256=self._world.data.sha256,
            members_left=sum(member.left for member in self._members),
            days=day,
            ended=DAYS_OVER if any(self._present()) else ALL_LEFT,
            tallies=self._tallies,
            launched=self._launched,
            reactions=measured,
            twins_unconfirmed=twins_unconfirmed,
            late_pages=self._platform.late_pages,
            seconds=seconds,
        )

    def _check_platform(self) -> None:
        """Finds what would stop it later, before the platform knows the members."""
        if self._platform.knows(first := self._members[0].user_id):
            raise MembersKnown(
                f"the platform knows {first} already: give another seed or prefix, "
                "or begin with an empty platform"
            )
        self._platform.try_page(first, self._config.start_ms)

    def _present(self) -> Iterable[Member]:
        return (member for member in self._members if not member.left)

    def _begin(self, readers: ThreadPoolExecutor) -> None:
        """Gives members a past."""

        def publish(member: Member) -> None:
            events = past(self._world, member, self._config.start_ms)
            self._platform.publish(member.user_id, events)
            self._lives.begin(member.number, events)
            self._tell(PASTS, (member.number + 1) / len(self._members))

        _all(readers.submit(publish, member) for member in self._members)

    def _day(self, day: int, readers: ThreadPoolExecutor, pace: Pace) -> None:
        day_ms = self._config.start_ms + day * DAY_MS
        changes = premieres(self._world, self._chance, self._prefix, day, day_ms)
        self._platform.change_catalog(changes)
        self._launched += len(changes)
        coming = sorted(
            arrival
            for member in self._present()
            for arrival in arrivals(
                self._world, member, self._chance.below("day", day, member.number), day_ms
            )
        )
        for record in self._play(coming, day, readers, pace):
            self._ledger.add(record)
            self._tallies.add(record)
            self._lives.add(record)
        visited = {arrival.member for arrival in coming}
        for member in list(self._present()):
            chance = self._chance.below("end", day, member.number)
            member.end_day(self._world, chance, visited=member.number in visited)
        self._here = sum(1 for _ in self._present())
        self._tell_moment(day_ms + DAY_MS)
        self._over(day, self._here)

    def _play(
        self, coming: list[Arrival], day: int, readers: ThreadPoolExecutor, pace: Pace
    ) -> list[SessionRecord]:
        """Plays sessions in the order of their beginnings, a member's one after another."""
        last: dict[int, Future[SessionRecord]] = {}
        asked: list[Future[SessionRecord]] = []
        for arrival in coming:
            if not pace.reached(arrival.at_ms):
                break
            before = last.get(arrival.member)
            last[arrival.member] = readers.submit(self._session, arrival, day, before, pace)
            asked.append(last[arrival.member])
        return _all(asked)

    def _session(
        self, arrival: Arrival, day: int, before: "Future[SessionRecord] | None", pace: Pace
    ) -> SessionRecord:
        try:
            if before is not None:
                # It was submitted earlier and is never behind this one in the queue.
                before.result()
            record = self._one_session(arrival, day)
        except BaseException:
            pace.fail()
            raise
        self._sessions += 1
        self._tell_moment(arrival.at_ms)
        return record

    def _one_session(self, arrival: Arrival, day: int) -> SessionRecord:
        member = self._members[arrival.member]
        return play_session(
            self._world,
            member,
            f"{member.user_id}-{day}-{arrival.number}",
            max(arrival.at_ms, member.free_at_ms + PAUSE_MS),
            self._chance.below("session", arrival.member, day, arrival.number),
            self._platform.page,
            lambda events: self._platform.publish(member.user_id, events),
        )

    def _tell_moment(self, at_ms: int) -> None:
        self._tell(DAYS, (at_ms - self._config.start_ms) / (self._config.days * DAY_MS))

    def _tell(self, stage: str, share: float) -> None:
        self._told(Progress(stage=stage, share=share, sessions=self._sessions, members=self._here))


def _all(asked: "Iterable[Future[_Result]]") -> list[_Result]:
    """Every result. After the first error the rest is not begun."""
    futures = list(asked)
    try:
        return [future.result() for future in futures]
    except BaseException:
        for future in futures:
            future.cancel()
        raise
