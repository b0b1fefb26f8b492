from collections.abc import Iterator
from pathlib import Path

import pytest
from factories_databases import migrated
from factories_postgres import PostgresServer, postgres_server
from factories_relay import Relay, relayed
from server.factories_server import FILMS_OF_A_ROW, House, catalog_changes


@pytest.fixture
def empty_house(tmp_path: Path) -> Iterator[House]:
    """A house nobody has published to."""
    house = House(tmp_path / "state")
    yield house
    house.close()


@pytest.fixture
def house(empty_house: House) -> House:
    """A house with a catalog, and neither users nor a model."""
    empty_house.change(*catalog_changes())
    return empty_house


@pytest.fixture
def one_row_house(empty_house: House) -> House:
    """A house whose films all fit into the first row of a long page, whatever a model's weights."""
    empty_house.change(*catalog_changes(FILMS_OF_A_ROW, top_first=True))
    return empty_house


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server whose database `postgres` has this version's tables."""
    with postgres_server() as server:
        migrated(server.url()).dispose()
        yield server


@pytest.fixture
def relay(postgres: PostgresServer) -> Iterator[Relay]:
    with relayed(postgres) as relay:
        yield relay
