from pathlib import Path

from pagecast.cli.stack.lock import StateLock
from pagecast.cli.stack.record import RECORD_FILE, StackRecord, read_record

RECORD = StackRecord(
    pid=7, bootstrap_servers="127.0.0.1:9092", server_address="127.0.0.1:50051", pids={"broker": 8}
)


def test_a_running_stack_is_found(tmp_path: Path) -> None:
    with StateLock(tmp_path):
        RECORD.write(tmp_path)
        assert read_record(tmp_path) == RECORD


def test_the_record_of_a_stack_that_has_died_is_not_believed(tmp_path: Path) -> None:
    with StateLock(tmp_path):
        RECORD.write(tmp_path)
    assert (tmp_path / RECORD_FILE).exists()
    assert read_record(tmp_path) is None


def test_a_stack_that_has_not_written_yet_is_no_stack(tmp_path: Path) -> None:
    with StateLock(tmp_path):
        assert read_record(tmp_path) is None


def test_a_record_of_another_version_is_no_stack(tmp_path: Path) -> None:
    with StateLock(tmp_path):
        (tmp_path / RECORD_FILE).write_text('{"port": 1}')
        assert read_record(tmp_path) is None
