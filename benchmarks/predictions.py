"""What pages pay for predictions beside them, and what a prediction costs.

One reader asks for pages, one after the other, while nobody or many ask for vectors of users.
Weights are random; the ratio counts, not the milliseconds.

    PYTHONPATH=tests .venv/bin/python benchmarks/predictions.py --pages 60
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import structlog
from factories import START_MS, play, timestamp
from grpc.aio import AioRpcError
from server.factories_server import FILMS, SLOW, House, Served, catalog_changes

from pagecast.v1 import prediction_pb2, prediction_pb2_grpc

MINUTE_MS = 60_000
STEPS = 200
USERS = 20


def people(house: House) -> None:
    for user in range(USERS):
        house.remember(
            f"u{user}",
            *(
                play(f"u{user}", f"m{(7 * user + i) % FILMS}", START_MS - (STEPS - i) * MINUTE_MS)
                for i in range(STEPS)
            ),
        )


async def ask_for_ever(served: Served, answered: list[float]) -> None:
    stub, user = prediction_pb2_grpc.PredictionServiceStub(served.channel), len(answered)
    while True:
        user += 1
        request = prediction_pb2.EmbedUserRequest(
            user_id=f"u{user % USERS}", requested_at=timestamp(START_MS)
        )
        began = time.monotonic()
        try:
            await stub.EmbedUser(request)
        except AioRpcError:
            await asyncio.sleep(0.05)
        else:
            answered.append(time.monotonic() - began)


async def pages_beside(served: Served, askers: int, pages: int) -> dict[str, float]:
    answered: list[float] = []
    tasks = [asyncio.create_task(ask_for_ever(served, answered)) for _ in range(askers)]
    took, began = [], time.monotonic()
    for number in range(pages):
        started = time.monotonic()
        await served.page(f"u{number % USERS}", rows=4)
        took.append(time.monotonic() - started)
    seconds = time.monotonic() - began
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    cuts = statistics.quantiles(took, n=20)
    return {
        "askers": askers,
        "page_p50_ms": 1e3 * statistics.median(took),
        "page_p95_ms": 1e3 * cuts[-1],
        "predictions_per_s": len(answered) / seconds,
        "prediction_p50_ms": 1e3 * statistics.median(answered) if answered else 0.0,
    }


async def measured(folder: Path, pages: int) -> list[dict[str, float]]:
    house = House(folder / "state")
    house.change(*catalog_changes())
    house.train_champion(SLOW)
    people(house)
    async with house.serve(prefix_cache_mb=0) as served:
        await pages_beside(served, 0, 5)
        # In turns, since a machine's load changes: each way is measured twice.
        rows = [await pages_beside(served, askers, pages) for askers in (0, 1, 8, 0, 1, 8)]
    house.close()
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pages", type=int, default=60)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    with tempfile.TemporaryDirectory() as folder:
        rows = asyncio.run(measured(Path(folder), arguments.pages))
    if arguments.json:
        sys.stdout.write(json.dumps(rows) + "\n")
        return
    print("| who ask | page p50, ms | p95, ms | predictions/s | prediction p50, ms |")
    print("|---|---|---|---|---|")
    for row in rows:
        print(
            "| {askers} | {page_p50_ms:.0f} | {page_p95_ms:.0f} | {predictions_per_s:.1f} "
            "| {prediction_p50_ms:.0f} |".format(**row)
        )


if __name__ == "__main__":
    main()
