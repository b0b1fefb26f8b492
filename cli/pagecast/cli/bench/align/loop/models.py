"""The models of an arm, by the last day they have learned from."""

import shutil
from pathlib import Path

FIRST = -1
"""The last day of an arm that has learned none."""

KEPT = 2
"""Models that stay: the newest, and the one it was learned from, should the newest be cut short."""


def published(place: Path) -> Path | None:
    """The bundle in a folder; None if there is no whole one."""
    if not place.is_dir():
        return None
    # What is unfinished is hidden: a bundle appears whole or not at all.
    return next((path for path in place.iterdir() if not path.name.startswith(".")), None)


class Models:
    """Bundles below a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def newest(self) -> int:
        """The last day that was learned; FIRST if none was."""
        return max(self._days(), default=FIRST)

    def place(self, day: int) -> Path:
        """The folder in which a day's bundle is published, under its version."""
        return self._folder / str(day)

    def bundle(self, day: int) -> Path:
        """The bundle of a day that was learned."""
        found = published(self.place(day))
        assert found is not None
        return found

    def forget_old(self) -> None:
        for day in sorted(self._days())[:-KEPT]:
            shutil.rmtree(self.place(day))

    def _days(self) -> list[int]:
        if not self._folder.is_dir():
            return []
        return [int(place.name) for place in self._folder.iterdir() if published(place)]
