"""Whole pages as the server makes them: by an exported bundle in the engine, or without a model."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from pagecast.engine.bundles.bundle import load_bundle
from pagecast.engine.model import Model
from pagecast.engine.page import decode_page
from pagecast.engine.popular import popular_page
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.prompt.context import inject
from pagecast.featurestore.prompt.prompt import Prompt
from pagecast.featurestore.prompt.vocabulary import Vocabulary
from pagecast.trainer.config import TrainConfig
from pagecast.trainer.evaluation.pages.page_asked import MakePage
from pagecast.trainer.export.bundle import BundleFacts, write_bundle
from pagecast.trainer.network.model import PageModel


@contextmanager
def bundle_pages(
    model: PageModel, vocabulary: Vocabulary, config: TrainConfig, catalog: CatalogSnapshot
) -> Iterator[MakePage]:
    """The page users would get: exported, loaded and decoded by the code that serves.

    Raises ParityError if the exported graphs differ from the model.
    """
    with tempfile.TemporaryDirectory(prefix="bundle-") as folder:
        facts = BundleFacts(data={}, metrics={}, config=config.to_json())
        manifest = write_bundle(Path(folder), model, vocabulary, facts)
        bundle = load_bundle(Path(folder) / manifest.version)
    yield pages_of(Model(bundle, catalog))


def pages_of(model: Model) -> MakePage:
    """The page users would get from a loaded bundle."""
    return lambda asked: decode_page(model, told_to(model, asked.prompt), asked.rules)


def told_to(model: Model, prompt: Prompt) -> Prompt:
    """The prompt with the entities that the server would have named to this model."""
    request, config = prompt.request, model.bundle.vocabulary.context
    injected = inject(model.snapshot, at_ms=request.at_ms, country=request.country, config=config)
    return replace(prompt, injected=injected)


@contextmanager
def popular_pages() -> Iterator[MakePage]:
    """The page without a model, under the same rules."""
    yield lambda asked: popular_page(asked.rules, asked.scores_N)
