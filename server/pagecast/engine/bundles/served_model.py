"""What a server can serve by alias: a generative model, or the multi-stage baseline."""

from collections.abc import Generator, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import TypeAlias

from pagecast.engine.bundles.bundle import DEFAULT_CONFIG, Bundle, load_bundle
from pagecast.engine.bundles.files import kind_of, open_bundle, open_files
from pagecast.engine.decode_options import DEFAULT_OPTIONS, DecodeOptions
from pagecast.engine.following import Following
from pagecast.engine.graph import EngineConfig
from pagecast.engine.model import Model
from pagecast.engine.multi_stage.bundle import MultiStageBundle, load_multi_stage
from pagecast.engine.multi_stage.manifest import (
    MULTI_STAGE,
    MULTI_STAGE_FILES,
    MultiStageManifest,
)
from pagecast.engine.multi_stage.model import MultiStageModel
from pagecast.engine.multi_stage.page import multi_stage_page
from pagecast.engine.page import decode_page
from pagecast.engine.page_events import PageEvent
from pagecast.engine.parts import Parts
from pagecast.engine.picking import Picker
from pagecast.engine.semantic import following_ids
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.prompt.prompt import Prompt
from pagecast.rules.page_rules import PageRules
from pagecast.rules.standing_row import StandingRow

ServedBundle: TypeAlias = Bundle | MultiStageBundle
ServedModel: TypeAlias = Model | MultiStageModel


def load_served(
    path: Path,
    config: EngineConfig = DEFAULT_CONFIG,
    parts: Parts | None = None,
    reader: Executor | None = None,
) -> ServedBundle:
    """Loads the bundle in the directory `path`, of whichever kind; `parts` and `reader` as for
    `load_bundle`. Raises BundleError."""
    if kind_of(path) == MULTI_STAGE:
        return load_multi_stage(path)
    return load_bundle(path, config, parts, reader)


def verify_served(path: Path) -> int:
    """Compares every file of the bundle in the directory `path`, of whichever kind, with what was
    published; returns their bytes together. (Loading compares only what it reads.) Raises
    BundleError.
    """
    if kind_of(path) == MULTI_STAGE:
        _, files = open_files(path, MultiStageManifest, MULTI_STAGE_FILES)
    else:
        _, files = open_bundle(path)
    return files.verify()


def bind(
    bundle: ServedBundle, snapshot: CatalogSnapshot, older: ServedModel | None = None
) -> ServedModel:
    """Binds the bundle to a catalog; given an `older` model of it, only changes are embedded.

    Raises EngineError.
    """
    if isinstance(bundle, MultiStageBundle):
        return MultiStageModel(bundle, snapshot)
    return Model(bundle, snapshot, older=older if isinstance(older, Model) else None)


def whole_page(
    model: ServedModel,
    prompt: Prompt,
    rules: PageRules,
    options: DecodeOptions = DEFAULT_OPTIONS,
    picker: Picker | None = None,
) -> Generator[PageEvent, None, None]:
    """One page, made in the calling thread. Raises as `decode_page` does."""
    if isinstance(model, MultiStageModel):
        return multi_stage_page(model, prompt, rules, options, picker)
    return decode_page(model, prompt, rules, options, picker=picker)


def following(
    model: ServedModel, picker: Picker, rows: Sequence[StandingRow], first: int
) -> Following:
    """A picker that follows a page's recorded `rows`, which stand from row position `first` on."""
    if isinstance(model, MultiStageModel):
        return Following(picker, rows, first)
    return following_ids.following(model, picker, rows, first)
