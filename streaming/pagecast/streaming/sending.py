"""Sends refused records again, and learns what became of each."""

from collections.abc import Mapping
from functools import partial

from pagecast.eventlog.errors import PublishFailed, RecordTooLarge
from pagecast.eventlog.producer import EventProducer
from pagecast.featurestore.positions import LogOffset
from pagecast.streaming.letters import REPLAY_HEADER, Letter


class Sending:
    """One batch of a run; even if it fails, it knows what is in the log."""

    def __init__(self, run: str) -> None:
        self._run = run
        self._failures: list[BaseException] = []
        self.acknowledged: set[LogOffset] = set()
        """Records that are in the log again."""
        self.too_large: set[LogOffset] = set()
        """Records that their topic does not take."""

    def send(self, producer: EventProducer, letters: Mapping[LogOffset, Letter]) -> None:
        """Sends records in the order of their letters, and waits. Raises EventLogError."""
        for origin, letter in letters.items():
            mark = f"{letter.replays + 1}:{self._run}".encode()
            headers = {**letter.headers, REPLAY_HEADER: mark}
            told = partial(self._settled, origin)
            try:
                producer.send_bytes(
                    letter.topic, letter.key, letter.value, headers, on_settled=told
                )
            except RecordTooLarge:
                self.too_large.add(origin)
        producer.flush()
        if self._failures:
            raise PublishFailed(
                f"{len(self._failures)} records were not acknowledged, the first because of "
                f"{type(self._failures[0]).__name__}: {self._failures[0]}"
            ) from self._failures[0]

    def _settled(self, origin: LogOffset, failure: BaseException | None) -> None:
        """Runs on the producer's thread."""
        if failure is None:
            self.acknowledged.add(origin)
        else:
            self._failures.append(failure)
