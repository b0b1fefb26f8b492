"""The platform of an arm that learns: what it shows and what members do is logged."""

from collections.abc import Mapping, Sequence

from pagecast.cli.bench.align.exploration import Exploration
from pagecast.cli.bench.align.loop.log import LoopLog
from pagecast.cli.bench.align.platform import ArenaPlatform
from pagecast.engine.bundles.served_model import ServedBundle
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.server.page.basis import PageBasis
from pagecast.v1 import events_pb2


class LoopPlatform(ArenaPlatform):
    """For one thread, like the arena's."""

    def __init__(
        self,
        bundle: ServedBundle | None,
        catalog: CatalogSnapshot,
        counts: Mapping[str, float],
        start_ms: int,
        explore: Exploration,
        log: LoopLog,
    ) -> None:
        super().__init__(bundle, catalog, counts, start_ms, explore)
        self._log = log

    def publish(self, user_id: str, events: Sequence[events_pb2.InteractionEvent]) -> None:
        super().publish(user_id, events)
        self._log.add_events(events)

    def _rows(self, basis: PageBasis) -> list[events_pb2.ServedRow]:
        rows = self._log.made(basis)
        if rows is None:
            rows = super()._rows(basis)
        self._log.add_page(basis, rows)
        return rows
