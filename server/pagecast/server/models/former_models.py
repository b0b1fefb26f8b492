"""Models that are no longer the champion, for the pages that were begun with them.

The last ones are kept for as long as they are asked for; any other that is still registered is
loaded from its bundle. So a replica that started after the swap can carry on such a page too.
"""

import threading
import time
from collections import OrderedDict
from concurrent.futures import Executor
from pathlib import Path

import structlog

from pagecast.engine.bundles.bundle import DEFAULT_CONFIG
from pagecast.engine.bundles.served_model import ServedBundle, ServedModel, bind, load_served
from pagecast.engine.errors import BundleError
from pagecast.engine.graph import EngineConfig
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.models.records import ModelUnknown
from pagecast.featurestore.models.registry import Registry

_log = structlog.get_logger(__name__)

FORMER_MODELS_MAX = 2
"""Models kept beside the champion: each costs its weights, its embeddings of the catalog and, if
it was decoding lately, its slots. Two, so that a promotion and its rollback need no loading."""

FORMER_SECONDS_MAX = 900.0
"""A former model is dropped after this long without a page. If one is carried on later, the bundle
is loaded again."""

REFUSED_SECONDS = 30.0
"""For this long, a bundle that did not load is not read again for pages that ask for it."""


class ModelRetired(LookupError):  # noqa: N818 - named by what is wrong, as the RPCs' reasons are
    """The model is not registered any more, or its bundle is gone."""


class FormerModels:
    """Safe for threads; `model` blocks while a bundle is loaded."""

    def __init__(
        self, registry: Registry, bundles: Path, engine: EngineConfig = DEFAULT_CONFIG
    ) -> None:
        self._registry = registry
        self._bundles = bundles
        self._engine = engine
        self._changing = threading.Lock()
        self._binding = threading.Lock()
        self._loading = threading.Lock()
        self._kept: OrderedDict[str, tuple[ServedModel, float]] = OrderedDict()
        self._refused_at_s: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, model: ServedModel) -> None:
        """Keeps a model; the one not asked for the longest makes room."""
        with self._changing:
            self._kept[model.version] = model, time.monotonic()
            self._kept.move_to_end(model.version)
            while len(self._kept) > FORMER_MODELS_MAX:
                self._kept.popitem(last=False)

    def kept(self, version: str) -> ServedModel | None:
        """The model if it is kept: to serve again it need not be loaded nor embed the catalog."""
        with self._changing:
            kept, _ = self._kept.get(version, (None, 0.0))
        return kept

    def serves_again(self, version: str) -> None:
        """The model of `version` is not a former one any more."""
        with self._changing:
            self._kept.pop(version, None)

    def drop_unused(self, seconds_max: float = FORMER_SECONDS_MAX) -> None:
        """Drops those that nobody has asked for in that time."""
        until_s = time.monotonic() - seconds_max
        with self._changing:
            for version in [v for v, (_, used_s) in self._kept.items() if used_s <= until_s]:
                del self._kept[version]

    def model(
        self, version: str, snapshot: CatalogSnapshot, reader: Executor | None = None
    ) -> ServedModel:
        """The model of a version, bound to the snapshot; `reader` reads its files unless it is
        kept.

        Raises ModelRetired, EngineError if it cannot embed the catalog, and what the registry's
        database raises.
        """
        # A kept model does not wait for another one to be loaded.
        model = self._of_kept(version, snapshot)
        if model is None:
            # One at a time: two pages of one model must not load it twice.
            with self._loading:
                model = self._of_kept(version, snapshot)
                if model is None:
                    model = bind(self._load(version, reader), snapshot)
                    self.keep(model)
        return model

    def _of_kept(self, version: str, snapshot: CatalogSnapshot) -> ServedModel | None:
        """None if it is not kept."""
        # One at a time: two pages of one model must not embed what is new twice.
        with self._binding:
            kept = self.kept(version)
            if kept is None:
                return None
            fits = kept.snapshot is snapshot
            model = kept if fits else bind(kept.bundle, snapshot, older=kept)
            self.keep(model)
        return model

    def _load(self, version: str, reader: Executor | None) -> ServedBundle:
        refused_at_s = self._refused_at_s.get(version)
        if refused_at_s is not None and time.monotonic() - refused_at_s < REFUSED_SECONDS:
            raise ModelRetired(version)
        try:
            path = self._bundles / self._registry.get(version).bundle
            bundle = load_served(path, self._engine, reader=reader)
            if bundle.version != version:
                raise BundleError(f"holds version {bundle.version}")
        except (ModelUnknown, BundleError) as error:
            self._refused_at_s = {version: time.monotonic()}
            _log.warning("former_model_retired", version=version, reason=str(error))
            raise ModelRetired(version) from error
        return bundle
