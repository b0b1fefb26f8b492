from pathlib import Path

from pagecast.featurestore.state import StatePaths


def test_everything_is_below_the_root(tmp_path: Path) -> None:
    paths = StatePaths(root=tmp_path / "state")
    files = [paths.online_db, paths.feast_registry]
    folders = [paths.offline, paths.bundles, paths.logs, paths.data, paths.run]
    assert {path.parent for path in files + folders} == {paths.root}


def test_create_makes_the_directories_and_may_be_repeated(tmp_path: Path) -> None:
    paths = StatePaths(root=tmp_path / "deep" / "state")
    assert not paths.root.exists()
    assert paths.create() is paths.create() is paths
    assert sorted(path.name for path in paths.root.iterdir()) == [
        "bundles",
        "data",
        "logs",
        "offline",
        "run",
    ]


def test_the_database_url_is_absolute_even_if_the_root_is_not() -> None:
    url = StatePaths(root=Path(".pagecast")).database_url
    assert url == f"sqlite:///{Path.cwd()}/.pagecast/pagecast.db"
