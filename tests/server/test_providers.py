"""A server runs its model on the provider it was told, or says why not."""

import onnxruntime
import pytest
from server.factories_server import House
from structlog.testing import capture_logs

from pagecast.engine.providers import Provider, ProviderMissingError

pytestmark = pytest.mark.skipif(
    "CUDAExecutionProvider" in onnxruntime.get_available_providers(),
    reason="onnxruntime-gpu is installed",
)


async def test_a_provider_that_is_missing_is_a_server_that_does_not_start(house: House) -> None:
    house.train_champion()
    with pytest.raises(ProviderMissingError, match=r"provider cuda: .*or set provider_fallback"):
        async with house.serve(provider="cuda"):
            pass


async def test_with_the_fallback_pages_are_the_models_and_the_log_warns(house: House) -> None:
    version = house.train_champion()
    with capture_logs() as logs:
        async with house.serve(provider="cuda", provider_fallback=True) as served:
            page = await served.page("ada", rows=3)
            model = served.server.resources.servings.current.model
    assert (page.started.model_version, page.started.degraded_reason) == (version, "")
    assert model is not None
    assert model.bundle.decode.provider is Provider.CPU
    assert [told["provider"] for told in logs if told["event"] == "provider_missing"] == ["cuda"]
