"""An arm's month: members visit, the day is closed, reported and learned from; the next begins."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from pagecast.cli.bench.align.data import ArenaData
from pagecast.cli.bench.align.loop.config import Arm, LoopConfig
from pagecast.cli.bench.align.loop.exposure import exposure, ranks
from pagecast.cli.bench.align.loop.kept import KeptArm
from pagecast.cli.bench.align.loop.learning import Day, Learner
from pagecast.cli.bench.align.loop.log import LoopLog, SeenPage
from pagecast.cli.bench.align.loop.platform import LoopPlatform
from pagecast.cli.bench.align.loop.rows import row_of
from pagecast.cli.bench.align.platform import LOG
from pagecast.cli.bench.align.telling import Told
from pagecast.engine.bundles.served_model import ServedBundle
from pagecast.featurestore.pages.reward import RewardConfig
from pagecast.simulator.run import simulate
from pagecast.simulator.run_config import RunConfig
from pagecast.trainer.data.replay import replay
from pagecast.trainer.pages.logged import shown_rows
from pagecast.trainer.pages.shown import ShownPage


class LoopArm:
    """One arm with one seed, which begins with `first`; without a `learner` it never learns."""

    def __init__(
        self,
        name: str,
        arm: Arm,
        seed: int,
        config: LoopConfig,
        data: ArenaData,
        first: ServedBundle,
        learner: Learner | None,
        kept: KeptArm,
    ) -> None:
        self._name, self._days, self._people = name, config.days, data.people
        self._run = RunConfig(
            members=config.members,
            days=config.days,
            seed=seed,
            start_ms=data.start_ms,
            readers=1,
            reaction_members=0,
            simulator=config.simulator,
        )
        prefix = f"{self._run.prefix}-{seed}"
        self._members = [f"{prefix}-{number}" for number in range(config.members)]
        self._learner, self._kept = learner, kept
        self._log = LoopLog(kept.log)
        catalog = data.snapshot.catalog
        self._ranks = ranks(data.people, catalog)
        self._platform = LoopPlatform(
            first, catalog, data.counts, data.start_ms, arm.explore, self._log
        )

    def run(self, told: Told) -> None:
        """Runs every day that is not done yet; days that are, are repeated to get there."""

        def over(day: int, present: int) -> None:
            self._end(day, present)
            told("days", (day + 1) / self._days)

        with tempfile.TemporaryDirectory(prefix="members-") as folder:
            simulate(self._people, self._run, self._platform, Path(folder), over=over)

    def _end(self, day: int, present: int) -> None:
        pages = self._log.close_day()
        row = row_of(
            self._name,
            self._run.seed,
            day,
            present,
            self._members,
            pages,
            exposure(pages, self._platform.catalog, self._ranks),
            RewardConfig(),
        )
        self._kept.add(row)
        if self._learner is not None and day + 1 < self._days:
            bundle = self._learner.learn(self._brought(day, pages))
            if bundle is not None:
                self._platform.serve(bundle)

    def _brought(self, day: int, pages: Sequence[SeenPage]) -> Day:
        known = {(LOG, 0): self._log.day_begins}
        return Day(
            number=day,
            catalog=self._platform.catalog,
            members=tuple(
                replay(name, events, known=known) for name, events in self._log.events_of.items()
            ),
            pages=_examples(pages),
        )


def _examples(pages: Sequence[SeenPage]) -> list[ShownPage]:
    """The pages of which something was seen. The day is over, so their outcomes are final."""
    return [
        ShownPage(
            user_id=one.page.user_id,
            prompt=one.prompt,
            rows=tuple(shown_rows(one.page, one.outcome)),
            closed=True,
        )
        for one in pages
        if one.outcome.entities
    ]
