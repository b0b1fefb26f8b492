"""The manifest of a multi-stage baseline's bundle."""

from typing import Final, Literal

from pagecast.engine.bundles.sealed import SealedManifest

MULTI_STAGE: Final = "multi-stage"
"""The kind, and the alias that the newest one is given."""

ENTITIES_FILE = "entities.json"
TABLES_FILE = "tables.safetensors"

MULTI_STAGE_FILES = (ENTITIES_FILE, TABLES_FILE)
"""What the bundle holds besides its manifest."""


class MultiStageManifest(SealedManifest):
    """`version` is the content address of its files, as a generative model's."""

    kind: Literal["multi-stage"] = MULTI_STAGE
    format: Literal[1] = 1
