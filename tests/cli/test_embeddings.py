"""`pagecast embeddings write` while another process writes."""

from pathlib import Path

from cli.factories_cli import pagecast
from server.factories_server import House, catalog_changes

from pagecast.cli.exits import ExitCode
from pagecast.featurestore.offline import OfflineLog


def test_a_second_process_is_refused_and_told_who_writes(tmp_path: Path) -> None:
    house = House(tmp_path / ".pagecast")
    house.change(*catalog_changes())
    house.train_champion()
    house.close()
    with OfflineLog(house.paths.offline).embeddings.held("process 7 on the other machine"):
        done = pagecast("embeddings", "write", "--json", cwd=tmp_path)
    assert done.returncode == ExitCode.LOCKED
    assert "process 7 on the other machine writes embeddings below" in done.stderr
