"""What pages wait for while a promotion is taken up, on a machine that has other things to do.

    python benchmarks/swap_waits.py --folder /tmp/waits --ahead

A server, its visitors and a thread that burns what they leave idle share one process and one core.
The clock is the process's CPU time, which stands still whenever other programs have the core, so it
shows what a quiet core would, as far as caches allow. Waits by wall clock (polls, pauses, the
succession) are stretched by how much slower the machine is: `--stretch` is wall clock by CPU. The
threads' CPU between a page's due moment and its first row says what it waited for. With `--ahead`
each model is the challenger until it is loaded, then promoted. serve.md has the results.
"""

import argparse
import asyncio
import hashlib
import json
import os
import shutil
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import structlog
import uvloop

from pagecast.cli.bench.serve import swaps
from pagecast.cli.bench.serve.asking import AskedPage, Message, ask
from pagecast.cli.bench.serve.page_shape import SHORT
from pagecast.cli.bench.serve.world import VISITORS, build_world, train_another
from pagecast.cli.percentile import percentile
from pagecast.featurestore.database import connect
from pagecast.featurestore.models.registry import Registry
from pagecast.featurestore.state import StatePaths
from pagecast.server import periodic
from pagecast.server.app import PagecastServer
from pagecast.server.config import ServerConfig
from pagecast.server.main import SWITCH_INTERVAL_S
from pagecast.server.models import loading_ahead, succession

now_s = time.process_time
ROUNDS = 100_000_000
"""Rounds of a hash: a minute's work in one call, which releases Python's lock."""

READY: list[str] = []
"""Versions that were loaded ahead, according to the server's log."""


def cpu_ms() -> dict[int, float]:
    """CPU of every thread of this process, by its number."""
    found = {}
    for task in Path("/proc/self/task").iterdir():
        try:
            found[int(task.name)] = int((task / "schedstat").read_text().split()[0]) / 1e6
        except OSError:
            continue  # it has just ended
    return found


@dataclass(kw_only=True)
class WatchedPage(AskedPage):
    """Notes the process's time and the CPU of its threads when its first row came."""

    first_s: float = 0.0
    ended: dict[int, float] = field(default_factory=dict)

    def take(self, message: Message) -> None:
        super().take(message)
        if self.rows_s and not self.first_s:
            self.first_s, self.ended = now_s(), cpu_ms()


@dataclass(kw_only=True)
class Visit:
    """A page, and the CPU of the process's threads when it was due."""

    due_s: float
    began: dict[int, float] = field(default_factory=cpu_ms)
    page: WatchedPage = field(default_factory=WatchedPage)

    async def make(self, channel: grpc.aio.Channel, user: str) -> None:
        await ask(channel, SHORT.request(user), self.page)


def burn_what_is_idle() -> None:
    """In a thread of its own. It must not want Python's lock: its holder would wait for this."""
    os.sched_setscheduler(threading.get_native_id(), os.SCHED_IDLE, os.sched_param(0))
    while True:
        hashlib.pbkdf2_hmac("sha256", b"idle", b"idle", ROUNDS)


def note_ready(_logger: Any, _method: str, event: structlog.typing.EventDict) -> Any:
    if event["event"] == "challenger_ready":
        READY.append(event["version"])
    raise structlog.DropEvent


def stretch(times: float) -> None:
    """Stretches waits by wall clock, which goes on while the process's clock stands still."""
    patched: Any = periodic.Periodic
    begin = patched.__init__

    def slower(self: Any, name: str, period_s: float, action: Any) -> None:
        begin(self, name, period_s * times, action)

    patched.__init__ = slower
    for module, name in (
        (succession, "SUCCESSION_S_MAX"), (succession, "OWN_MOMENT_S_MIN"),
        (loading_ahead, "AHEAD_POLL_S"), (loading_ahead, "PAUSE_S_MAX"), (loading_ahead, "LOOK_S"),
    ):  # fmt: skip
        setattr(module, name, getattr(module, name) * times)


async def until(moment_s: float) -> None:
    while (left_s := moment_s - now_s()) > 0:
        await asyncio.sleep(min(max(left_s / 2, 0.0005), 0.002))


async def keep_asking(channel: grpc.aio.Channel, rate: float, visits: list[Visit]) -> None:
    began_s, asked = now_s(), set[asyncio.Task[None]]()
    try:
        for number in range(1_000_000):
            await until(began_s + number / rate)
            visits.append(Visit(due_s=began_s + number / rate))
            task = asyncio.create_task(visits[-1].make(channel, VISITORS[number % 12]))
            asked.add(task)
            task.add_done_callback(asked.discard)
    finally:
        await asyncio.gather(*asked)


def told(what: str, visits: Sequence[Visit], names: dict[int, str]) -> dict[str, Any]:
    """Milliseconds to first rows, and the threads' CPU meanwhile: means of all pages, and of the
    slowest tenth."""
    came = sorted((v for v in visits if v.page.first_s), key=lambda v: v.due_s - v.page.first_s)
    waited = [(v.page.first_s - v.due_s) * 1000 for v in came]
    row = {f"p{share * 100:.0f}": round(percentile(waited, share), 1) for share in (0.5, 0.9, 0.99)}
    slowest = came[: max(1, len(came) // 10)]
    return {
        "what": what,
        "pages": len(visits),
        "failed": sum(not v.page.whole for v in visits),
        **row,
        "cpu_ms": by_thread(came, names),
        "cpu_ms_slowest_tenth": by_thread(slowest, names),
    }


def by_thread(visits: Sequence[Visit], names: dict[int, str]) -> dict[str, float]:
    total, pages = defaultdict[str, float](float), len(visits)
    for visit in visits:
        for thread, ms in visit.page.ended.items():
            name = names.get(thread, "grpc").rstrip("_0123456789")
            total[name] += ms - visit.began.get(thread, 0.0)
    most_first = sorted(total.items(), key=lambda named: -named[1])
    return {name: round(ms / pages, 1) for name, ms in most_first if ms / pages >= 1}


def bundles(paths: StatePaths, entities: int) -> list[str]:
    """Versions with random weights, in a world that is made unless it is there already."""
    made = paths.root / "versions.json"
    if not made.exists():
        shutil.rmtree(paths.root, ignore_errors=True)
        world = build_world(paths.root, entities, 58)
        others = [train_another(world, seed) for seed in range(1, swaps.MODELS)]
        made.write_text(json.dumps([world.bundle.name, *others]))
    return list(json.loads(made.read_text()))


async def measure(paths: StatePaths, versions: Sequence[str], options: Any) -> list[dict[str, Any]]:
    engine = connect(paths.database_url)
    registry = Registry(engine)
    swaps.challenge(engine, None)
    registry.promote(versions[0], by="bench")
    config = ServerConfig(
        state=paths, port=0, metrics_port=0, allow_client_clock=True,
        prefix_cache_mb=swaps.PREFIX_MB,
    )  # fmt: skip
    server, visits, names = PagecastServer(config), list[Visit](), dict[int, str]()
    listening = await server.start()
    loading, after, ready_s, followed_s = list[Visit](), list[Visit](), [], []
    async with grpc.aio.insecure_channel(listening.target) as channel:
        for user in VISITORS[:12]:
            await Visit(due_s=now_s()).make(channel, user)
        asking = asyncio.create_task(keep_asking(channel, options.rate, visits))
        await until(now_s() + options.seconds)
        steady = visits[len(visits) // 4 :]
        for swap in range(1, options.swaps + 1):
            version, begun_s, first = versions[swap % len(versions)], now_s(), len(visits)
            if options.ahead:
                await asyncio.to_thread(swaps.challenge, engine, version)
                while READY[-1:] != [version]:
                    await asyncio.sleep(0.05)
                ready_s.append(round(now_s() - begun_s, 2))
            promoted_s = now_s()
            await asyncio.to_thread(registry.promote, version, by="bench")
            while all(v.page.model != version for v in visits[first:]):
                await asyncio.sleep(0.003)
            followed_s.append(round(now_s() - promoted_s, 2))
            loading += visits[first:]
            first = len(visits)
            await until(now_s() + options.seconds / 2)
            after += visits[first:]
            names |= {t.native_id: t.name for t in threading.enumerate() if t.native_id}
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    engine.dispose()
    return [
        told("steady", steady, names),
        told("from the beginning of loading to the new model's first page", loading, names),
        told("after it", after, names),
        {"loaded ahead within s": ready_s, "promotion to first page s": followed_s},
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--entities", type=int, default=20_000)
    parser.add_argument("--rate", type=float, default=7.0, help="pages a second")
    parser.add_argument("--swaps", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--stretch", type=float, default=1.0)
    parser.add_argument("--ahead", action="store_true")
    options = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    structlog.configure(processors=[note_ready])
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    paths = StatePaths(root=options.folder)
    versions = bundles(paths, options.entities)
    stretch(options.stretch)
    threading.Thread(target=burn_what_is_idle, name="idle", daemon=True).start()
    for row in uvloop.run(measure(paths, versions, options)):
        print(json.dumps(row))
    sys.stdout.flush()
    os._exit(0)  # the thread that burns never ends


if __name__ == "__main__":
    main()
