"""`pagecast forget` asks first, shows the receipt, and fails if the erasure is not complete."""

import inspect
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from cli.factories_cli import document, pagecast
from factories import START_MS, timestamp

from pagecast.cli.commands.forget import forget
from pagecast.cli.exits import ExitCode
from pagecast.server.events.forget import RECEIPT_SECONDS_MAX
from pagecast.v1 import feature_pb2, feature_pb2_grpc

SLOW_USER = "slow"
"""Whose erasure is never complete."""


class Features(feature_pb2_grpc.FeatureServiceServicer):
    """Answers as a server does, without an event log behind it."""

    def __init__(self) -> None:
        self.forgotten: list[str] = []

    def GetHistory(self, request: Any, context: Any) -> Any:
        raise NotImplementedError

    def PublishEvents(self, request_iterator: Any, context: Any) -> Any:
        raise NotImplementedError

    def ForgetUser(
        self, request: feature_pb2.ForgetUserRequest, context: Any
    ) -> feature_pb2.ForgetUserResponse:
        self.forgotten.append(request.user_id)
        receipt = feature_pb2.ForgetUserResponse(
            receipt_id="01a0f944-7f78-7ebd-a273-85d12d340001", requested_at=timestamp(START_MS)
        )
        if request.user_id != SLOW_USER:
            receipt.completed_at.FromMilliseconds(START_MS + 700)
            receipt.rows_erased = 12
        return receipt


@pytest.fixture
def features() -> Features:
    return Features()


@pytest.fixture
def address(features: Features) -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(1))
    feature_pb2_grpc.add_FeatureServiceServicer_to_server(features, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


def test_the_receipt_is_one_document(address: str, features: Features, tmp_path: Path) -> None:
    done = pagecast("forget", "ada", "--yes", "--json", "--server", address, cwd=tmp_path)
    assert document(done) == {
        "receipt_id": "01a0f944-7f78-7ebd-a273-85d12d340001",
        "requested_at": "2026-01-05T12:00:00Z",
        "completed_at": "2026-01-05T12:00:00.700Z",
        "rows_erased": "12",
    }
    assert features.forgotten == ["ada"]


def test_people_read_when_it_was_complete(address: str, tmp_path: Path) -> None:
    done = pagecast("forget", "ada", "--yes", "--server", address, cwd=tmp_path)
    assert done.returncode == ExitCode.OK
    assert "complete at 2026-01-05 12:00:00 UTC: 12 rows" in done.stdout


def test_the_document_shows_what_people_read(address: str, tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "events.md").read_text()
    [(line, shown)] = re.findall(r"^\$ pagecast (forget .*)\n((?:.+\n)+?)```$", text, re.MULTILINE)
    done = pagecast(*line.split(), "--server", address, cwd=tmp_path)
    assert done.stdout == shown


def test_what_is_not_complete_in_time_exits_1_and_shows_the_receipt(
    address: str, tmp_path: Path
) -> None:
    done = pagecast(
        "forget", SLOW_USER, "--yes", "--timeout", "2", "--server", address, cwd=tmp_path
    )
    assert done.returncode == ExitCode.FAILED
    assert "receipt 01a0f944" in done.stdout
    assert "ingest worker" in done.stderr


def test_nothing_is_done_when_nobody_can_be_asked(
    address: str, features: Features, tmp_path: Path
) -> None:
    done = pagecast("forget", "ada", "--server", address, cwd=tmp_path)
    assert done.returncode == ExitCode.BAD_INPUT
    assert "--yes" in done.stderr
    assert features.forgotten == []


@pytest.mark.parametrize(
    ("answer", "code", "forgotten"),
    [("n", ExitCode.BAD_INPUT, []), ("y", ExitCode.OK, ["ada"])],
)
def test_people_are_asked_first(
    answer: str,
    code: ExitCode,
    forgotten: list[str],
    address: str,
    features: Features,
    tmp_path: Path,
) -> None:
    keyboard, terminal = pty.openpty()
    os.write(keyboard, f"{answer}\n".encode())
    done = subprocess.run(
        [sys.executable, "-m", "pagecast.cli", "forget", "ada", "--server", address],
        cwd=tmp_path,
        stdin=terminal,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(terminal)
    os.close(keyboard)
    assert done.returncode == code, done.stderr
    assert "cannot be undone" in done.stderr
    assert features.forgotten == forgotten


def test_a_server_that_is_not_there_exits_3(tmp_path: Path) -> None:
    done = pagecast("forget", "ada", "--yes", "--server", "127.0.0.1:1", cwd=tmp_path)
    assert done.returncode == ExitCode.NOT_RUNNING


def test_nobody_is_promised_more_time_than_a_server_waits() -> None:
    timeout = inspect.signature(forget, eval_str=True).parameters["timeout"]
    (option,) = timeout.annotation.__metadata__
    assert option.max == timeout.default == RECEIPT_SECONDS_MAX
