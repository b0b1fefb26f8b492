"""What two or three processes do to a store or a database at once.

They are forked (`factories_forking`): started anew, each would import for seconds first.
"""

from multiprocessing.connection import Connection
from pathlib import Path

from factories_forking import in_server
from factories_stores import stored_history

from pagecast.featurestore.database import connect, migrate
from pagecast.featurestore.online.feast_import import import_feast
from pagecast.featurestore.online.store import OnlineFeatures
from pagecast.featurestore.state import StatePaths

if in_server():
    import_feast()


def write_histories(root: Path, url: str | None, commands: Connection) -> None:
    """Writes what it is told: a list of (user id, next offset); answers with the refused."""
    online = OnlineFeatures.open(StatePaths(root=root), url)
    commands.send(None)
    while (batch := commands.recv()) is not None:
        commands.send([online.write_histories([stored_history(*write)]) for write in batch])
    online.close()


def migrate_when_told(url: str, commands: Connection) -> None:
    """Says that it is connected, and migrates when it is told anything."""
    engine = connect(url)
    commands.send(None)
    commands.recv()
    migrate(engine)
    engine.dispose()
