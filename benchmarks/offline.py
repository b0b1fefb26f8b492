"""The offline log: what appending, compaction, reading and the views on it cost.

    python benchmarks/offline.py [--events 1000000] [--pages 100000]

CPU seconds are this process's; the largest resident size is the process's so far, so the last row
bounds all the others.
"""

import argparse
import random
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from pagecast.featurestore.history.tokens import token_of
from pagecast.featurestore.offline import LoggedEvent, LoggedPage, OfflineLog
from pagecast.featurestore.pages.logged_pages import logged_page_tables
from pagecast.featurestore.prompt.point_in_time import AtOffset, histories_as_of
from pagecast.v1 import events_pb2

BEGIN_MS = 1_767_614_400_000
BATCH = 10_000
USERS = 2_000
PROMPTS = 100_000


def event_of(
    number: int, user_id: str, at_ms: int, action: events_pb2.InteractionEvent, page_id: str = ""
) -> LoggedEvent:
    """`action` holds what was done, and nothing else."""
    event = events_pb2.InteractionEvent(
        event_id=f"{number:08x}-0000-7000-8000-{random.getrandbits(48):012x}",
        user_id=user_id,
        context=events_pb2.RequestContext(
            device="tv", country="NL", language="nl", surface="home", page_id=page_id,
            session_id=f"{user_id}-{at_ms // 3_600_000}",
        ),
    )  # fmt: skip
    event.MergeFrom(action)
    event.occurred_at.FromMilliseconds(at_ms)
    return LoggedEvent("events", 0, number, token_of(event), event.SerializeToString())


def played(entity_id: str) -> events_pb2.InteractionEvent:
    kind = events_pb2.PLAY_KIND_FEATURE
    return events_pb2.InteractionEvent(play=events_pb2.Play(entity_id=entity_id, kind=kind))


def batches(events: int) -> Iterator[list[LoggedEvent]]:
    """Plays of 2,000 users over ten days."""
    step_ms = 10 * 86_400_000 // events
    for begin in range(0, events, BATCH):
        yield [
            event_of(
                number,
                f"user-{random.randrange(USERS)}",
                BEGIN_MS + number * step_ms,
                played(f"e{random.randrange(3000)}"),
            )
            for number in range(begin, begin + BATCH)
        ]


def write_pages(log: OfflineLog, pages: int) -> None:
    """Pages of ten rows of ten, of which three rows are half seen, one entity is clicked, played
    and watched for an hour."""
    events: list[LoggedEvent] = []
    served: list[LoggedPage] = []
    for number in range(pages):
        user_id, page_id, at_ms = f"user-{number % USERS}", f"p{number:x}", BEGIN_MS + number * 5000
        rows = [
            events_pb2.ServedRow(
                row_id=f"r{row}",
                entity_ids=[f"e{random.randrange(300) * 100 + row * 10 + n}" for n in range(10)],
            )
            for row in range(10)
        ]
        page = events_pb2.PageServed(page_id=page_id, user_id=user_id, rows=rows)
        page.requested_at.FromMilliseconds(at_ms)
        served.append(LoggedPage("pages", 0, number, page, page.SerializeToString()))
        chosen = rows[1].entity_ids[2]
        stop = events_pb2.Stop(entity_id=chosen)
        stop.watched.FromSeconds(3600)
        actions = [
            (row * 2000, events_pb2.InteractionEvent(impression=events_pb2.Impression(
                rows=[events_pb2.SeenRow(
                    row_id=f"r{row}", row_position=row, entity_ids=rows[row].entity_ids[:6])])))
            for row in range(3)
        ]  # fmt: skip
        actions += [
            (7_000, events_pb2.InteractionEvent(click=events_pb2.Click(entity_id=chosen))),
            (8_000, played(chosen)),
            (3_608_000, events_pb2.InteractionEvent(stop=stop)),
        ]
        for later_ms, action in actions:
            offset = number * len(actions) + len(events) % len(actions)
            events.append(event_of(offset, user_id, at_ms + later_ms, action, page_id))
        if len(served) == 2000 or number == pages - 1:
            log.append(events)
            log.append_pages(served)
            events, served = [], []


def report(what: str, size: str, work: Callable[[], object]) -> None:
    wall, cpu = time.perf_counter(), time.process_time()
    said = work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(f"| {what} | {size} | {wall:.2f} | {cpu:.2f} | {peak:.2f} | {said or ''} |", flush=True)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--events", type=int, default=1_000_000)
    arguments.add_argument("--pages", type=int, default=100_000)
    options = arguments.parse_args()
    random.seed(1)
    with tempfile.TemporaryDirectory() as folder:
        log, pages = OfflineLog(Path(folder) / "events"), OfflineLog(Path(folder) / "pages")
        events = f"{options.events:,} events"
        print("| what | of | wall s | CPU s | peak GB | |\n|---|---|---|---|---|---|")
        batch_cpu_s: list[float] = []
        for batch in batches(options.events):
            begun = time.process_time()
            log.append(batch)
            batch_cpu_s.append(time.process_time() - begun)
        typical_ms = sorted(batch_cpu_s)[len(batch_cpu_s) // 2] * 1000
        print(f"| append | {BATCH:,} events | | {typical_ms / 1000:.3f} | | median batch |")
        report("compact", events, lambda: "{} parts to {}, {} bytes to {}".format(*log.compact()))
        report("`scan`, columns of tokens", events, lambda: f"{len(log.scan()):,} rows")
        report("`by_user`, as tokens", events, lambda: f"{sum(1 for _ in log.by_user()):,} users")
        prompts = [
            AtOffset(f"user-{random.randrange(USERS)}", "events", random.randrange(options.events))
            for _ in range(PROMPTS)
        ]
        report(
            "`histories_as_of`",
            f"{PROMPTS:,} prompts, {events}",
            lambda: f"{sum(len(h.steps) for _, h in histories_as_of(log, prompts)):,} steps",
        )
        write_pages(pages, options.pages)
        of = f"{options.pages:,} pages, {6 * options.pages:,} events"
        report("`logged_page_tables`", of, lambda: f"{_outcomes(pages):,} outcomes")


def _outcomes(log: OfflineLog) -> int:
    return sum(
        len(table["entities"].combine_chunks().flatten()) for table in logged_page_tables(log)
    )


if __name__ == "__main__":
    main()
