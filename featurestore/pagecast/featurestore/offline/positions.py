"""How far the log of each partition reaches: one small file per partition, moved after the parts.

A batch over two days is two parts. If a worker is killed between them, the newest offset in the log
lies past rows that were never written, and a worker that trusted it would skip them. So a position
is recorded only once all parts of the batch are durable, and a part that lies past it is not
visible: it is left from a batch that nobody has finished, and whose rows will be appended again.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from pagecast.featurestore.offline.files import exclusive, sync, write_whole
from pagecast.featurestore.offline.parts import Kind, Part, digest

Reached = Mapping[tuple[str, int], int]
"""The next offset by (digest of the topic id, partition)."""


class Positions:
    """The recorded positions below `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self) -> dict[tuple[str, int], int]:
        """The next offset per (topic id, partition)."""
        positions = {}
        for path in sorted(self._folder.glob("[!._]*.json")):
            entry = json.loads(path.read_bytes())
            positions[entry["topic_id"], entry["partition"]] = entry["next_offset"]
        return positions

    def reached(self) -> Reached:
        return {(digest(topic), part): end for (topic, part), end in self.read().items()}

    def advance(self, ends: Mapping[tuple[str, int], int]) -> None:
        """Moves positions up to `ends`, never down. The parts before them must be durable.

        A late writer and its successor may come here at once: without the lock, the late one could
        move the position back from what its successor has committed.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with exclusive(self._folder / ".lock"):
            now = self.read()
            for (topic_id, partition), end in ends.items():
                if now.get((topic_id, partition), -1) < end:
                    entry = {"topic_id": topic_id, "partition": partition, "next_offset": end}
                    path = self._folder / f"{digest(topic_id)}-{partition}.json"
                    write_whole(path, json.dumps(entry).encode())
            sync(self._folder)


def is_visible(part: Part, reached: Reached) -> bool:
    """Whether readers may see a part: whether its batch was appended to the end."""
    name = part.name
    if name is None or name.kind is not Kind.APPENDED:
        return True
    return name.last < reached.get((name.topic, name.partition), 0)
