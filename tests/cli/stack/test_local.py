import os
import signal
import time
from pathlib import Path

import pytest

from pagecast.cli.exits import LockedError
from pagecast.cli.settings import load_settings
from pagecast.cli.stack.child import ChildEndedError
from pagecast.cli.stack.local import NO_TRIGGERS, LocalStack, StackConfig
from pagecast.cli.stack.record import read_record
from pagecast.featurestore.state import StatePaths


def config(root: Path, *, fresh: bool = False) -> StackConfig:
    return StackConfig(paths=StatePaths(root=root), fresh=fresh)


def test_brokers_of_different_folders_run_side_by_side(tmp_path: Path) -> None:
    with (
        LocalStack(config=config(tmp_path / "one")) as one,
        LocalStack(config=config(tmp_path / "other")) as other,
    ):
        assert one.start_broker() != other.start_broker()
        one.check()
        other.check()


def test_other_commands_find_what_runs_while_it_runs(tmp_path: Path) -> None:
    with LocalStack(config=config(tmp_path)) as stack:
        servers = stack.start_broker()
        found = read_record(StatePaths(root=tmp_path).run)
        assert found is not None
        assert found.bootstrap_servers == servers
    assert read_record(StatePaths(root=tmp_path).run) is None


def test_a_broker_that_ends_is_noticed(tmp_path: Path) -> None:
    with LocalStack(config=config(tmp_path)) as stack:
        stack.start_broker()
        os.kill(stack.record.pids["broker"], signal.SIGKILL)
        time.sleep(0.1)
        with pytest.raises(ChildEndedError, match="broker"):
            stack.check()


def test_a_named_kafka_is_used_and_not_stopped(tmp_path: Path) -> None:
    named = StackConfig(paths=StatePaths(root=tmp_path), bootstrap_servers="kafka:9092")
    with LocalStack(config=named) as stack:
        assert stack.start_broker() == "kafka:9092"
        assert stack.record.pids == {}


def test_a_fresh_stack_removes_what_was_there_but_never_under_another(tmp_path: Path) -> None:
    (tmp_path / "bundles" / "old").mkdir(parents=True)
    (tmp_path / "online.db").write_text("old")
    with LocalStack(config=config(tmp_path)):
        with pytest.raises(LockedError), LocalStack(config=config(tmp_path, fresh=True)):
            pass
        assert (tmp_path / "online.db").exists()
    with LocalStack(config=config(tmp_path, fresh=True)):
        assert not (tmp_path / "online.db").exists()
        assert not (tmp_path / "bundles" / "old").exists()


@pytest.mark.faults
def test_a_stack_is_what_its_configuration_says_and_not_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAGECAST_ONLINE_STORE_URL", "redis://127.0.0.1:1")
    monkeypatch.setenv("PAGECAST_DATABASE_URL", "sqlite:////nowhere/at/all.db")
    with LocalStack(config=config(tmp_path)) as stack:
        stack.start_broker()
        stack.start_ingest()
        assert (tmp_path / "online.db").exists()
        assert (tmp_path / "pagecast.db").exists()


def test_a_stack_without_triggers_switches_each_of_them_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert load_settings().triggers.config().on
    for name, value in NO_TRIGGERS.items():
        monkeypatch.setenv(name, value)
    assert not load_settings().triggers.config().on
