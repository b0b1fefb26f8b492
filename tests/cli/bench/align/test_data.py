"""The past that contenders begin with, of which just what ingest counts counts."""

from pathlib import Path

import pytest
from rich.console import Console

from pagecast.cli.bench.align.data import arena_data
from pagecast.cli.data.interchange import read_interchange
from pagecast.featurestore.catalog.popularity import Popularity
from pagecast.featurestore.database import connect, migrate
from pagecast.featurestore.state import StatePaths
from pagecast.streaming.counting import counted

OWN_DATA = Path(__file__).parents[4] / "docs" / "examples" / "own-data"


@pytest.mark.parametrize("users_max", [None, 3])
def test_popularity_before_the_first_day_is_what_ingest_would_have_counted(
    users_max: int | None, tmp_path: Path
) -> None:
    paths = StatePaths(root=tmp_path)
    data = arena_data(str(OWN_DATA), paths, users_max, Console(stderr=True))
    events = read_interchange(OWN_DATA).events
    engine = connect(f"sqlite:///{tmp_path}/popularity.db")
    migrate(engine)
    popularity = Popularity(engine)
    popularity.add([one for user in data.snapshot.users for one in counted(events[user.user_id])])
    assert data.counts == pytest.approx(popularity.scores(data.start_ms))
    engine.dispose()
