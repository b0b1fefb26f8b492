"""(b) The worker's job as one would write it with Quix Streams: stateful, with a sink.

It runs in an environment of its own (`bench.quix_environment`) and imports nothing of Pagecast
but the protos. `fold` does the job in a simple way: it skips what it has seen, merges a play with
what follows it, puts late steps where their time says and keeps 512 steps, as lists in the
library's state. `append` is as fast as the library can be made: it appends a step to a history of
bytes that nothing parses, and can neither merge nor order. Both do less than the worker: they keep
no totals, sets or popularity, check no rules, write unconditionally and have no changelog topic.
At each checkpoint both write every user's newest history in one pipeline, and the events in one
Parquet file.
"""

import json
import sys
import time
from pathlib import Path
from struct import Struct
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import redis
from quixstreams import Application, State, message_context
from quixstreams.sinks import BaseSink
from quixstreams.utils.json import dumps

from pagecast.v1.events_pb2 import InteractionEvent

STEPS_MAX = 512
"""As many as the worker keeps."""

IDS_MAX = 512
"""As many ids of events as the worker remembers."""

LATE_MS_MAX = 60 * 60 * 1000
"""As late as the worker takes a step into the window."""

CHECKPOINT_S = 1.0
"""As often as the worker commits. This job's features are up to this much older than a worker's."""

CONSUMER = {"session.timeout.ms": 6000, "heartbeat.interval.ms": 1500}
"""As the worker's: the embedded broker lets a member wait for half of it."""

_HEAD = Struct("<iqH")
"""Of a history: partition, next offset, steps."""

_PACKED = Struct("<H16sqBiB")
"""Of a step: its length, id of the event, time, action, time watched, rating."""

_ACTIONS = {field.name: field.number for field in InteractionEvent.DESCRIPTOR.oneofs[0].fields}


_PLAYS = {_ACTIONS["play"], _ACTIONS["stop"]}
_NOWHERE = {"stop", "search"}
_NEVER_MERGED = {"click", "view_details", "rate", "add_to_list", "hide", "search", "purchase"}

Step = list[Any]
"""[at_ms, entity, row, action, watched_s, rating, events, session, device, country, language]."""


class Done(NamedTuple):
    """An event, and the history after it: None if it changed nothing."""

    event: InteractionEvent
    value: bytes
    history: Any


def fold(value: bytes, state: State) -> Done:
    """Folds the event into the history of the message's key."""
    event = InteractionEvent.FromString(value)
    action = event.WhichOneof("action") or "impression"
    if action == "impression":
        return Done(event, value, None)
    history = state.get("history") or {"ids": [], "steps": []}
    event_id = int(event.event_id[-17:].replace("-", ""), 16)
    if event_id in history["ids"]:
        return Done(event, value, None)
    place = message_context()
    history["version"] = [place.partition, place.offset + 1]
    _remember(history["ids"], event_id)
    _put(history["steps"], _step(event, action), action)
    state.set("history", history)
    return Done(event, value, history)


def _remember(ids: list[int], event_id: int) -> None:
    ids.append(event_id)
    if len(ids) > IDS_MAX:
        del ids[0]


def _put(steps: list[Step], step: Step, action: str) -> None:
    """Merges the step into the last one, or puts it where its time says."""
    last = steps[-1] if steps else None
    if last is not None and action not in _NEVER_MERGED and _continues(last, step):
        last[4] += step[4]
        last[6] += 1
        return
    at = len(steps)
    while at and steps[at - 1][0] > step[0]:
        at -= 1
    if at or not steps or steps[0][0] - step[0] <= LATE_MS_MAX:
        steps.insert(at, step)
    if len(steps) > STEPS_MAX:
        del steps[0]


def _continues(last: Step, step: Step) -> bool:
    return last[3] in _PLAYS and last[1] == step[1] and last[7] == step[7]


def _step(event: InteractionEvent, action: str) -> Step:
    done: Any = getattr(event, action)
    context, at = event.context, event.occurred_at
    return [
        at.seconds * 1000 + at.nanos // 1_000_000,
        done.entity_id,
        "" if action in _NOWHERE else done.placement.row_id,
        _ACTIONS[action],
        done.watched.seconds if action == "stop" else 0,
        round(done.rating * 2) + 1 if action == "rate" else 0,
        1,
        context.session_id,
        context.device,
        context.country,
        context.language,
    ]


def append(value: bytes, state: State) -> Done:
    """Appends the event's step to the history of the message's key."""
    event = InteractionEvent.FromString(value)
    action = event.WhichOneof("action") or "impression"
    if action == "impression":
        return Done(event, value, None)
    history = state.get_bytes("history") or _HEAD.pack(0, 0, 0)
    event_id = bytes.fromhex(event.event_id.replace("-", ""))
    if event_id in history:
        return Done(event, value, None)
    _, _, steps = _HEAD.unpack_from(history)
    begin = _HEAD.size
    if steps == STEPS_MAX:
        begin += _PACKED.unpack_from(history, begin)[0]
        steps -= 1
    place = message_context()
    head = _HEAD.pack(place.partition, place.offset + 1, steps + 1)
    at_ms, entity, row, number, watched_s, rating, _, *half = _step(event, action)
    texts = "\0".join((entity, row, *half)).encode()
    step = _PACKED.pack(_PACKED.size + len(texts), event_id, at_ms, number, watched_s, rating)
    history = b"".join((head, memoryview(history)[begin:], step, texts))
    state.set_bytes("history", history)
    return Done(event, value, history)


class Stores(BaseSink):  # type: ignore[misc]
    """Online: the newest history of each user. Offline: a Parquet file a checkpoint."""

    def __init__(self, url: str, offline: Path) -> None:
        super().__init__()
        self._url, self._offline = url, offline
        self._histories: dict[bytes, Any] = {}
        self._rows: list[tuple[int, int, str, str, int, bytes]] = []

    def setup(self) -> None:
        self._redis = redis.Redis.from_url(self._url)
        self._redis.ping()
        self._offline.mkdir(parents=True, exist_ok=True)

    def add(
        self,
        value: Done,
        key: bytes,
        timestamp: int,  # noqa: ARG002 - the library passes them by name
        headers: Any,  # noqa: ARG002
        topic: str,  # noqa: ARG002
        partition: int,
        offset: int,
    ) -> None:
        if value.history is not None:
            self._histories[key] = value.history
        event = value.event
        at_ms = event.occurred_at.seconds * 1000
        self._rows.append((partition, offset, event.user_id, event.event_id, at_ms, value.value))

    def flush(self) -> None:
        if self._histories:
            pipeline = self._redis.pipeline(transaction=False)
            for key, history in self._histories.items():
                packed = history if isinstance(history, bytes) else dumps(history)
                pipeline.set(b"quix:" + key, packed)
            pipeline.execute()
        if self._rows:
            names = ("partition", "offset", "user_id", "event_id", "at_ms", "event")
            columns = dict(zip(names, zip(*self._rows, strict=True), strict=True))
            table = pa.table({name: pa.array(column) for name, column in columns.items()})
            pq.write_table(table, self._offline / f"{time.time_ns()}.parquet", compression="zstd")
        self._histories, self._rows = {}, []


def main() -> None:
    """Runs until SIGTERM.

    Settings: bootstrap_servers, group, topic, redis_url, state_dir, offline; how: fold, append.
    """
    settings = json.loads(sys.argv[1])
    application = Application(
        broker_address=settings["bootstrap_servers"],
        consumer_group=settings["group"],
        auto_offset_reset="earliest",
        commit_interval=CHECKPOINT_S,
        state_dir=settings["state_dir"],
        use_changelog_topics=False,
        auto_create_topics=False,
        consumer_extra_config=CONSUMER,
        loglevel="WARNING",
    )
    topic = application.topic(settings["topic"], value_deserializer="bytes")
    frame = application.dataframe(topic)
    frame = frame.apply({"fold": fold, "append": append}[settings["how"]], stateful=True)
    frame.sink(Stores(settings["redis_url"], Path(settings["offline"])))
    application.run()


if __name__ == "__main__":
    main()
