"""Pages decoded with the form of the weights that the server was told to use."""

import pytest
from engine.factories_engine import with_many_form
from server.factories_server import House


@pytest.mark.parametrize(
    ("weights", "graph"), [("fp32", "decode.onnx"), ("int8", "decode_int8.onnx")]
)
async def test_the_form_that_was_asked_for_makes_whole_pages(
    house: House, weights: str, graph: str
) -> None:
    version = house.train_champion()
    async with house.serve(decode_weights=weights) as served:
        page = await served.page("ada", rows=3)
        model = served.server.resources.servings.current.model
    assert model is not None
    assert model.bundle.decode.name == graph
    assert (page.started.model_version, page.started.degraded_reason) == (version, "")
    assert len(page.shape) == 3


async def test_runs_of_many_tokens_take_their_own_form_of_8_bits(house: House) -> None:
    bundle = with_many_form(house.paths.bundles / house.train())
    house.registry.register(bundle.name, parent_version=None, metrics={}, data={})
    house.registry.promote(bundle.name, by="test")
    async with house.serve(decode_weights="int8") as served:
        page = await served.page("ada", rows=3)
        model = served.server.resources.servings.current.model
    assert model is not None
    assert model.bundle.decode_many is not None
    assert (page.started.model_version, page.started.degraded_reason) == (bundle.name, "")
    assert len(page.shape) == 3
