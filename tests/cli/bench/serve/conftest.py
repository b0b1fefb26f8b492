"""Fixtures of the serving benchmark's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from server.factories_server import House, catalog_changes


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A house with a catalog, and neither users nor a model."""
    house = House(tmp_path / "state")
    house.change(*catalog_changes())
    yield house
    house.close()
