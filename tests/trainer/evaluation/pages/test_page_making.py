"""A page for an evaluation is made from the prompt that the server would have built."""

from dataclasses import replace

from factories import START_MS

from pagecast.engine.bundles.bundle import load_bundle
from pagecast.engine.model import Model
from pagecast.featurestore.catalog.snapshot import CatalogSnapshot
from pagecast.featurestore.history.history import Profile
from pagecast.featurestore.prompt.context import DAY_MS
from pagecast.featurestore.prompt.prompt import Prompt, RequestHalf, build_prompt
from pagecast.featurestore.state import StatePaths
from pagecast.trainer.evaluation.pages.page_making import told_to
from pagecast.trainer.job import TrainOutcome


def test_a_model_is_told_of_new_entities_as_the_server_tells_it(
    outcome: tuple[TrainOutcome, list[str], StatePaths], catalog: CatalogSnapshot
) -> None:
    newest = replace(catalog.entities[-1], released_at_ms=START_MS - DAY_MS)
    snapshot = replace(catalog, entities=(*catalog.entities[:-1], newest))
    model = Model(load_bundle(outcome[0].bundle), snapshot)
    request = RequestHalf(at_ms=START_MS, device="tv", country="DE")
    asked = Prompt(profile=Profile(), steps=(), request=request)
    told = told_to(model, asked)
    assert told.injected.new[0] == newest.entity_id
    context = model.bundle.vocabulary.context
    assert told == build_prompt(None, Profile(), request, catalog=snapshot, context=context)
