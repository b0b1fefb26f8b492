"""What `feast apply` registers: a re-export, because Feast imports this file by its path."""

import os
from pathlib import Path

from pagecast.featurestore.online.definitions import Definitions
from pagecast.featurestore.state import StatePaths

_STATE = Path(os.environ.get("PAGECAST_STATE_DIR", ""))
if not _STATE.is_absolute():
    raise RuntimeError("PAGECAST_STATE_DIR: set it to the state directory's absolute path")

_definitions = Definitions.of(StatePaths(root=_STATE).offline)

user = _definitions.user
history = _definitions.history
profile = _definitions.profile
user_embedding = _definitions.user_embedding
_user, entity, genre, row = _definitions.entities
entity_embedding, genre_embedding, row_embedding = _definitions.of_catalog.values()
