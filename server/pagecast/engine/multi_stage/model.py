"""A multi-stage baseline bound to a catalog snapshot: all that making a page needs."""

from pagecast.engine.multi_stage.bundle import MultiStageBundle
from pagecast.engine.multi_stage.candidates import Candidates
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot


class MultiStageModel:
    """Never changes, so any number of pages may share it. A newer catalog needs a newer one."""

    def __init__(self, bundle: MultiStageBundle, snapshot: CatalogSnapshot) -> None:
        self.bundle = bundle
        self.snapshot = snapshot
        self.candidates = Candidates(bundle.tables, snapshot)

    @property
    def version(self) -> str:
        return self.bundle.version
