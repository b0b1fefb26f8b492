"""A multi-stage baseline as the trainer published it, loaded only if it is exactly that."""

from dataclasses import dataclass
from pathlib import Path

from pagecast.engine.bundles.files import open_files
from pagecast.engine.multi_stage.manifest import MULTI_STAGE_FILES, MultiStageManifest
from pagecast.engine.multi_stage.tables import MultiStageTables
from pagecast.featurestore.history.history import STEPS_MAX
from pagecast.featurestore.prompt.context import NO_CONTEXT, ContextConfig


@dataclass(frozen=True, kw_only=True, eq=False)
class MultiStageBundle:
    """A `MultiStageModel` binds it to a catalog. Like a `Bundle`, it equals only itself."""

    manifest: MultiStageManifest
    tables: MultiStageTables

    @property
    def version(self) -> str:
        return self.manifest.version

    @property
    def steps_max(self) -> int:
        """Steps of a prompt: all that a history holds."""
        return STEPS_MAX

    @property
    def context(self) -> ContextConfig:
        """Nothing stands between history and request: new entities are candidates anyway."""
        return NO_CONTEXT


def load_multi_stage(path: Path) -> MultiStageBundle:
    """Raises BundleError with the file and the reason if anything is missing, altered or unfit."""
    manifest, files = open_files(path, MultiStageManifest, MULTI_STAGE_FILES)
    return MultiStageBundle(manifest=manifest, tables=MultiStageTables.of_files(files))
