"""What a page is carried on with: arm and model as it began, the current catalog and rules."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import grpc
import structlog
from sqlalchemy.exc import SQLAlchemyError

from pagecast.engine.errors import EngineError
from pagecast.server.models.former_models import FormerModels, ModelRetired
from pagecast.server.models.serving import Serving, Servings
from pagecast.server.page.stepping_back import low_priority_thread
from pagecast.server.rpc.errors import Refusal, registry_unavailable
from pagecast.v1 import continuation_pb2

_log = structlog.get_logger(__name__)

CATALOG_SECONDS_MAX = 2.0
"""How long a replica waits for the catalog a page was made with: followers ask four times a
second."""

LOADS_WAITING_MAX = 64
"""Pages that wait while former models are loaded one after the other: as many as may wait for a
slot. With more, some would give up before their model is there."""

LOADS_RETRY_MS = 2_000
"""When a refused client may try again: by then a model has been loaded."""

_POLL_S = 0.02


class CarriedServings:
    """Lives in the event loop; models are loaded in a thread. Call `close` in the end."""

    def __init__(self, servings: Servings, former: FormerModels) -> None:
        self._servings = servings
        self._former = former
        self._waiting = 0
        # Its own, so that nothing else waits for a model; its reading steps back behind pages.
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="load-former")
        self._reader = low_priority_thread("read-former")

    async def serving_of(self, page: continuation_pb2.Continuation) -> Serving:
        """Raises Refusal: PAGE_MODEL_RETIRED, CATALOG_BEHIND, REGISTRY_UNAVAILABLE or
        FORMER_MODELS_LOADING."""
        current = await self._with_catalog(page.catalog_number)
        serving = replace(current, arm=page.arm)
        if not page.model_version:
            return replace(serving, model=None)
        for model in (serving.model, *serving.arm_models.values()):
            if model is not None and model.version == page.model_version:
                return replace(serving, model=model)
        kept = self._former.kept(page.model_version)
        if kept is not None and kept.snapshot is serving.snapshot:
            self._former.keep(kept)
            return replace(serving, model=kept)
        work = partial(self._by_former, serving, page.model_version)
        if kept is not None:
            return await asyncio.to_thread(work)
        return await self._loaded(work)

    def close(self) -> None:
        """Waits for a model that is being loaded."""
        self._loader.shutdown(cancel_futures=True)
        self._reader.shutdown()

    async def _loaded(self, work: Callable[[], Serving]) -> Serving:
        """Loads in the thread that only pages of former models wait for. Raises Refusal."""
        if self._waiting >= LOADS_WAITING_MAX:
            raise _former_models_loading()
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._loader, work)
        finally:
            self._waiting -= 1

    async def _with_catalog(self, number: int) -> Serving:
        until_s = asyncio.get_running_loop().time() + CATALOG_SECONDS_MAX
        while (serving := self._servings.current).snapshot.number < number:
            if asyncio.get_running_loop().time() >= until_s:
                raise _catalog_behind()
            await asyncio.sleep(_POLL_S)
        return serving

    def _by_former(self, serving: Serving, version: str) -> Serving:
        try:
            model = self._former.model(version, serving.snapshot, self._reader)
            return replace(serving, model=model)
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


def _former_models_loading() -> Refusal:
    return Refusal(
        code=grpc.StatusCode.RESOURCE_EXHAUSTED,
        reason="FORMER_MODELS_LOADING",
        message=f"{LOADS_WAITING_MAX} pages wait for models of before: try again, or ask for a new "
        "page",
        retry_delay_ms=LOADS_RETRY_MS,
    )


def _catalog_behind() -> Refusal:
    return Refusal(
        code=grpc.StatusCode.UNAVAILABLE,
        reason="CATALOG_BEHIND",
        message="this replica has not seen the catalog of the page yet: try again",
        retry_delay_ms=round(CATALOG_SECONDS_MAX * 1000),
    )
