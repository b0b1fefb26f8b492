"""Members visit a contender: what they were shown, from which prompts, and what became of it."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pagecast.cli.bench.align.data import ArenaData
from pagecast.cli.bench.align.platform import ArenaPlatform
from pagecast.engine.bundles.served_model import ServedBundle
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.prompt.prompt import Prompt
from pagecast.simulator.ledger import Ledger
from pagecast.simulator.progress import DAYS
from pagecast.simulator.report import Report
from pagecast.simulator.run import simulate
from pagecast.simulator.run_config import RunConfig
from pagecast.trainer.pages.logged import shown_rows
from pagecast.trainer.pages.shown import ShownPage
from pagecast.v1 import events_pb2


@dataclass(frozen=True, kw_only=True, eq=False)
class Visits:
    """`pages` are those of which something was seen, in the form training takes logged ones, in the
    order of requests; `catalog` is the one at the end, with what came to it meanwhile."""

    report: Report
    pages: tuple[ShownPage, ...]
    catalog: CatalogSnapshot


def visited(
    bundle: ServedBundle | None,
    data: ArenaData,
    config: RunConfig,
    told: Callable[[float], None] = lambda _: None,
) -> Visits:
    """Lets members visit a contender, in a world of its own; `told` takes the share of time."""
    prompts: dict[str, Prompt] = {}
    platform = ArenaPlatform(
        bundle, data.snapshot.catalog, data.counts, data.start_ms, told=prompts.__setitem__
    )
    with tempfile.TemporaryDirectory(prefix="arena-") as folder:
        report = simulate(
            data.people,
            config,
            platform,
            Path(folder),
            lambda at: told(at.share if at.stage == DAYS else 0.0),
        )
        pages = tuple(_shown(Ledger(Path(folder)), prompts))
    return Visits(report=report, pages=pages, catalog=platform.catalog)


def _shown(ledger: Ledger, prompts: Mapping[str, Prompt]) -> Iterator[ShownPage]:
    """Outcomes come from the ledger, by the same join as for a platform's log."""
    for outcome in ledger.pages():
        if outcome.entities:
            yield ShownPage(
                user_id=outcome.user_id,
                prompt=prompts[outcome.page_id],
                rows=tuple(shown_rows(events_pb2.PageServed.FromString(outcome.value), outcome)),
                closed=True,
            )
