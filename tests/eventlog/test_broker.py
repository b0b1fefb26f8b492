"""The embedded broker: starts, stops, forgets, and leaves nothing behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from factories import free_port

from pagecast.eventlog.admin import ensure_topics, topic_ids
from pagecast.eventlog.broker import EmbeddedBroker, dies_with_parent
from pagecast.eventlog.errors import BrokerFailed


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_until_gone(pid: int, timeout_s: float = 5.0) -> bool:
    deadline = time.monotonic() + timeout_s
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not alive(pid)


def test_it_answers_on_a_free_port_of_the_loopback_interface_and_writes_a_log(
    tmp_path: Path,
) -> None:
    log = tmp_path / "logs" / "broker.log"
    with EmbeddedBroker(log=log) as broker:
        assert broker.bootstrap_servers.startswith("127.0.0.1:")
        assert topic_ids(broker.bootstrap_servers) == {}
        assert "listening on" in log.read_text()


def test_it_stops_when_told_and_twice_is_harmless(tmp_path: Path) -> None:
    broker = EmbeddedBroker(log=tmp_path / "broker.log")
    broker.start()
    pid = broker.pid
    assert pid is not None
    broker.stop()
    broker.stop()
    assert broker.pid is None
    assert not alive(pid)


def test_a_broker_that_does_not_react_is_killed(tmp_path: Path) -> None:
    broker = EmbeddedBroker(log=tmp_path / "broker.log")
    broker.start()
    pid = broker.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    broker.stop()
    assert not alive(pid)


def test_a_restarted_broker_has_forgotten_its_topics_and_new_ones_have_new_ids(
    tmp_path: Path,
) -> None:
    port = free_port()
    ids = []
    for _ in range(2):
        with EmbeddedBroker(port, log=tmp_path / "broker.log") as broker:
            assert topic_ids(broker.bootstrap_servers) == {}
            ensure_topics(broker.bootstrap_servers)
            ids.append(topic_ids(broker.bootstrap_servers))
    assert ids[0].keys() == ids[1].keys()
    assert all(ids[0][topic] != ids[1][topic] for topic in ids[0])


def test_a_taken_port_is_said_plainly(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        broker = EmbeddedBroker(port, log=tmp_path / "broker.log")
        with pytest.raises(BrokerFailed, match=f"port {port}.*broker.log"):
            broker.start()
        assert broker.pid is None


def test_it_does_not_outlive_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys, time, pathlib\n"
        "from pagecast.eventlog.broker import EmbeddedBroker\n"
        "broker = EmbeddedBroker(log=pathlib.Path(sys.argv[1]))\n"
        "broker.start()\n"
        "print(broker.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "broker.log")],
        stdout=subprocess.PIPE,
        text=True,
    )
    with parent:
        assert parent.stdout is not None
        pid = int(next(line for line in parent.stdout if line.strip().isdigit()))
        assert alive(pid)
        parent.kill()
    assert wait_until_gone(pid)


def test_a_wrapped_command_becomes_the_command(tmp_path: Path) -> None:
    command = dies_with_parent([sys.executable, "-c", "import os; print(os.getppid())"])
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert int(output) == os.getpid()
