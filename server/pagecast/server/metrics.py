"""What the server measures, under its Prometheus names."""

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)

from pagecast.engine.batching.prefix_cache import PrefixCache

PAGE_BUCKETS_S = (
    *(0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5),
    *(5.0, 10.0, 20.0, 30.0),
)
"""A first row takes 10 to 100 ms, a whole page up to a second, or many seconds behind a full line;
the last is a page's time."""

ENTITY_BUCKETS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05)
"""A decode step takes 0.2 to 3 ms, and a page beside others also waits for theirs."""

SWAP_BUCKETS_S = (0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 20.0)
"""The parts of a swap together should take less than two seconds."""


MODELS_NAMED_MAX = 2
"""Versions that `pagecast_model_info` names: the one that serves and the one before it."""


class Metrics:
    """Every metric of one server, in a registry of its own: a process may hold several servers."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._named: list[str] = []
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.time_to_first_row = self._histogram(
            "pagecast_time_to_first_row_seconds",
            "From the arrival of a request to its first completed row.",
            PAGE_BUCKETS_S,
        )
        self.time_to_page = self._histogram(
            "pagecast_time_to_page_seconds",
            "From the arrival of a request to the end of its page.",
            PAGE_BUCKETS_S,
        )
        self.action_to_row = self._histogram(
            "pagecast_action_to_row_seconds",
            "From an action on a page that is browsed, or from when more of it was wanted, to the"
            " first row that reflects the action.",
            PAGE_BUCKETS_S,
        )
        self.entity_decode = self._histogram(
            "pagecast_entity_decode_seconds",
            "Time from one row to the next, by its entities; the first has the prompt in it.",
            ENTITY_BUCKETS_S,
        )
        self.rejected = self._counter("pagecast_rejected", "RPCs refused, by reason.", "reason")
        self.degraded_pages = self._counter(
            "pagecast_degraded_pages", "Pages served degraded, by reason.", "reason"
        )
        self.rows_cut_short = self._counter(
            "pagecast_rows_cut_short",
            "Rows that ended before they were full, by reason.",
            "reason",
        )
        self.pages_cut_short = self._counter(
            "pagecast_pages_cut_short",
            "Pages that ended with fewer rows than asked for, by reason.",
            "reason",
        )
        self.unknown_candidates = self._counter(
            "pagecast_unknown_candidates",
            "Rows and entities named by callers that the catalog does not know.",
            "what",
        )
        self.model_info = Gauge(
            "pagecast_model_info",
            "1 for the model version that decodes new pages, 0 for the one before it.",
            ["version"],
            registry=self.registry,
        )
        self.model_swaps = self._counter(
            "pagecast_model_swaps",
            "Champions taken up (swapped) or turned down (refused).",
            "outcome",
        )
        self.swap_parts = Histogram(
            "pagecast_swap_seconds",
            "What a swap took, by part, from reading the bundle to the exchange.",
            ["part"],
            buckets=SWAP_BUCKETS_S,
            registry=self.registry,
        )
        self.catalog_number = Gauge(
            "pagecast_catalog_number", "Catalog number of new pages.", registry=self.registry
        )
        self.pages_reported = self._counter(
            "pagecast_pages_reported",
            "PageServed records by outcome: sent, lost (buffer full) or failed (given up).",
            "outcome",
        )

        self.events_published = self._counter(
            "pagecast_events_published",
            "Events of PublishEvents by outcome: acknowledged by Kafka, or failed.",
            "outcome",
        )

    def follow_slots(self, in_use: Callable[[], int], waiting: Callable[[], int]) -> None:
        """The gauges of the slots ask these."""
        gauges = (
            ("pagecast_slots_in_use", "Pages being decoded.", in_use),
            ("pagecast_slots_waiting", "Pages that wait for a slot.", waiting),
        )
        for name, documentation, count in gauges:
            Gauge(name, documentation, registry=self.registry).set_function(count)

    def follow_browses(self, open_calls: Callable[[], int]) -> None:
        """The gauge of the pages that are browsed asks this."""
        Gauge(
            "pagecast_browses_open", "Calls of BrowseHomepage.", registry=self.registry
        ).set_function(open_calls)

    def follow_predictions(self, waiting: Callable[[], int]) -> None:
        """The gauge of PredictionService asks this."""
        Gauge(
            "pagecast_predictions_waiting",
            "Calls about a user that wait for the model.",
            registry=self.registry,
        ).set_function(waiting)

    def follow_prefixes(self, prefixes: PrefixCache) -> None:
        """The gauges of the prefix cache ask it."""
        gauges = (
            ("bytes", "Bytes of kept prefixes.", lambda: prefixes.size_bytes),
            ("positions_asked", "Prompt positions looked up.", lambda: prefixes.positions_asked),
            ("positions_found", "Those not fed again.", lambda: prefixes.positions_found),
        )
        for name, documentation, count in gauges:
            gauge = Gauge(f"pagecast_prefix_{name}", documentation, registry=self.registry)
            gauge.set_function(count)

    def follow_publisher(self, unacknowledged: Callable[[], int]) -> None:
        """The gauge of PublishEvents asks this."""
        Gauge(
            "pagecast_events_unacknowledged",
            "Events of PublishEvents that Kafka has not acknowledged yet.",
            registry=self.registry,
        ).set_function(unacknowledged)

    def name_model(self, version: str) -> None:
        """New pages are decoded by `version`; "" for no model."""
        if version:
            self._named = [one for one in self._named if one != version] + [version]
            self.model_info.labels(version=version).set(1)
        for before in self._named:
            if before != version:
                self.model_info.labels(version=before).set(0)
        # Keeping a label for every version ever served would grow with every training.
        for forgotten in self._named[:-MODELS_NAMED_MAX]:
            self.model_info.remove(forgotten)
        del self._named[:-MODELS_NAMED_MAX]

    def _counter(self, name: str, documentation: str, label: str) -> Counter:
        return Counter(name, documentation, [label], registry=self.registry)

    def _histogram(self, name: str, documentation: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(name, documentation, buckets=buckets, registry=self.registry)
