"""Asks for a page now and then and notes when it is refused: a client with nothing else to do.

A client that causes the overload would measure its own queue. Here gRPC's own thread stamps an
answer the moment it arrives.
"""

import json
import signal
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import grpc

from pagecast.cli.stack.ready import announce
from pagecast.v1 import homepage_pb2, homepage_pb2_grpc

ANSWER_SECONDS_MAX = 1.0
"""A page not refused by then is waiting for its slot and is given up, which frees its place."""

_CONNECT_SECONDS_MAX = 30.0


def main() -> None:
    """Settings: address, ready_file, result, request (a page's, as protobuf's JSON fields) and
    per_second, which says how often.

    Probes until SIGTERM; writes [[moment, milliseconds, code], ...] to the file `result`, by the
    monotonic clock, which all processes of a machine share.
    """
    settings = json.loads(sys.argv[1])
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    request = homepage_pb2.StreamHomepageRequest(**settings["request"])
    answers: list[tuple[float, float, str]] = []
    with grpc.insecure_channel(settings["address"]) as channel:
        grpc.channel_ready_future(channel).result(_CONNECT_SECONDS_MAX)
        stub: Any = homepage_pb2_grpc.HomepageServiceStub(channel)
        announce(Path(settings["ready_file"]), {})
        while not stop.wait(1 / settings["per_second"]):
            began_s = time.perf_counter()
            call = stub.StreamHomepage(request, timeout=ANSWER_SECONDS_MAX)
            call.add_done_callback(partial(_note, answers, began_s))
        time.sleep(ANSWER_SECONDS_MAX)
    Path(settings["result"]).write_text(json.dumps(answers))


def _note(answers: list[tuple[float, float, str]], began_s: float, call: Any) -> None:
    answers.append((began_s, (time.perf_counter() - began_s) * 1000, call.code().name))


if __name__ == "__main__":
    main()
