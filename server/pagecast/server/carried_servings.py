"""What a page is carried on with: arm and model of its beginning, catalog and rules of now."""

import asyncio
from dataclasses import replace

import grpc
import structlog
from sqlalchemy.exc import SQLAlchemyError

from pagecast.engine.errors import EngineError
from pagecast.server.errors import Refusal, registry_unavailable
from pagecast.server.former_models import FormerModels, ModelRetired
from pagecast.server.serving import Serving, Servings
from pagecast.v1 import continuation_pb2

_log = structlog.get_logger(__name__)

CATALOG_SECONDS_MAX = 2.0
"""How long a replica waits to see the catalog a page was made with: followers ask four times a
second."""

_POLL_S = 0.02


class CarriedServings:
    """Lives in the event loop; models are loaded in threads."""

    def __init__(self, servings: Servings, former: FormerModels) -> None:
        self._servings = servings
        self._former = former

    async def serving_of(self, page: continuation_pb2.Continuation) -> Serving:
        """Raises Refusal: PAGE_MODEL_RETIRED, CATALOG_BEHIND or REGISTRY_UNAVAILABLE."""
        current = await self._with_catalog(page.catalog_number)
        serving = replace(current, arm=page.arm)
        if not page.model_version:
            return replace(serving, model=None)
        for model in (serving.model, *serving.arm_models.values()):
            if model is not None and model.version == page.model_version:
                return replace(serving, model=model)
        return await asyncio.to_thread(self._by_former, serving, page.model_version)

    async def _with_catalog(self, number: int) -> Serving:
        until_s = asyncio.get_running_loop().time() + CATALOG_SECONDS_MAX
        while (serving := self._servings.current).snapshot.number < number:
            if asyncio.get_running_loop().time() >= until_s:
                raise _catalog_behind()
            await asyncio.sleep(_POLL_S)
        return serving

    def _by_former(self, serving: Serving, version: str) -> Serving:
        try:
            return replace(serving, model=self._former.model(version, serving.snapshot))
        except ModelRetired as error:
            raise _model_retired(version) from error
        except SQLAlchemyError as error:
            raise registry_unavailable() from error
        except EngineError as error:
            _log.error("former_model_failed", version=version, error=str(error))
            return replace(serving, model=None)


def _model_retired(version: str) -> Refusal:
    return Refusal(
        code=grpc.StatusCode.FAILED_PRECONDITION,
        reason="PAGE_MODEL_RETIRED",
        message=f"model {version} of the page is not to be had any more: ask for a new page",
        metadata={"model_version": version},
    )


def _catalog_behind() -> Refusal:
    return Refusal(
        code=grpc.StatusCode.UNAVAILABLE,
        reason="CATALOG_BEHIND",
        message="this replica has not seen the catalog of the page yet: try again",
        retry_delay_ms=round(CATALOG_SECONDS_MAX * 1000),
    )
