"""Fixtures of the serving benchmark's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from server.factories_server import House, catalog_changes

# Two busy cores: an example may take longer than hypothesis' 200 ms for reasons of its own.
settings.register_profile("bench-serve", deadline=None, max_examples=50)
settings.load_profile("bench-serve")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A house with a catalog, and neither users nor a model."""
    house = House(tmp_path / "state")
    house.change(*catalog_changes())
    yield house
    house.close()
