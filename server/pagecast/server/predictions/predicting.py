"""Where the model is asked about a user outside of a page: one at a time, in a thread of its own.

Pages do not wait for it: they have their own thread and slots. It takes what the processor has to
spare, at most one core, in chunks as long as a page's (`engine.user_encoder`). Lives in the event
loop, except for the thread. Call `close` in the end.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event
from typing import TypeVar

import grpc
import structlog

from pagecast.engine.batching.prefix_cache import PrefixCache
from pagecast.engine.errors import EngineError
from pagecast.engine.model import Model
from pagecast.engine.vectors.user_encoder import StoppedError, UserEncoder, UserState
from pagecast.featurestore.history.history import History
from pagecast.featurestore.prompt.prompt import build_prompt
from pagecast.rules.facts import RequestFacts
from pagecast.server.models.serving import Serving
from pagecast.server.page.facts import facts_of
from pagecast.server.page.request import PageRequest
from pagecast.server.page.slots import Place, Slots, SlotsExhausted
from pagecast.server.page.users import StoreUnavailable, Users
from pagecast.server.rpc.errors import Refusal, feature_store_unavailable

_log = structlog.get_logger(__name__)

PREDICTING_MAX = 1
"""Users the model is asked about at once: a second one would take a second core from pages."""

PREDICTIONS_WAITING_MAX = 64
"""At some tens of milliseconds each, the last one waits a second or two, as with pages."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AskedUser:
    """What the model makes of a user, and what the rules depend on for them here and now."""

    serving: Serving
    model: Model
    history: History | None
    facts: RequestFacts
    state: UserState


class Predicting:
    """Asks the model about users."""

    def __init__(self, users: Users, prefixes: PrefixCache) -> None:
        self._users = users
        self._encoder = UserEncoder(prefixes)
        self._slots = Slots(PREDICTING_MAX, PREDICTIONS_WAITING_MAX)
        self._thread = ThreadPoolExecutor(PREDICTING_MAX, thread_name_prefix="predict")

    @property
    def waiting(self) -> int:
        return self._slots.waiting

    async def ask(
        self,
        client: str,
        request: PageRequest,
        serving: Serving,
        model: Model,
        answer: Callable[[AskedUser], T],
    ) -> T:
        """What `answer`, called in the thread, returns for a request's user. Raises Refusal."""
        place = self._take_place(client)
        try:
            await place.turn(request.clock.remaining_s())
        except TimeoutError as error:
            place.leave()
            raise _time_exceeded() from error
        except SlotsExhausted as error:
            raise self._at_capacity() from error
        except asyncio.CancelledError:
            place.leave()
            raise
        return await self._answered(place, request, lambda stopped: answer(
            self._asked(request, serving, model, stopped)
        ))  # fmt: skip

    def close(self) -> None:
        self._thread.shutdown(cancel_futures=True)

    def _take_place(self, client: str) -> Place:
        try:
            return self._slots.take(client)
        except SlotsExhausted as error:
            raise self._at_capacity() from error

    def _at_capacity(self) -> Refusal:
        delay_ms = self._slots.retry_delay_ms
        return Refusal(
            code=grpc.StatusCode.RESOURCE_EXHAUSTED,
            reason="PREDICTIONS_EXHAUSTED",
            message=f"too many predictions wait: try again in {delay_ms} ms",
            retry_delay_ms=delay_ms,
        )

    async def _answered(
        self, place: Place, request: PageRequest, work: Callable[[Callable[[], bool]], T]
    ) -> T:
        """The place is freed when the thread is; a cancelled call does not wait for that."""
        unwanted, loop = Event(), asyncio.get_running_loop()

        def leave(_: Future[T]) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(place.leave)

        future = self._thread.submit(work, lambda: unwanted.is_set() or request.clock.is_over())
        future.add_done_callback(leave)
        try:
            return await asyncio.wrap_future(future)
        except StoppedError as error:
            raise _time_exceeded() from error
        except StoreUnavailable as error:
            raise feature_store_unavailable() from error
        except EngineError as error:
            _log.error("prediction_failed", error=str(error))
            raise Refusal(
                code=grpc.StatusCode.UNAVAILABLE,
                reason="MODEL_FAILED",
                message="the model failed: try again, or promote another",
            ) from error
        finally:
            unwanted.set()

    def _asked(
        self, request: PageRequest, serving: Serving, model: Model, stopped: Callable[[], bool]
    ) -> AskedUser:
        """Step 3 of the life of a page, and of step 6 only the prompt."""
        user = self._users.read(request.user_id, request.clock.remaining_s())
        prompt = build_prompt(
            user.history,
            user.profile,
            request.half,
            catalog=model.snapshot,
            steps_max=model.bundle.manifest.model.steps_max,
            context=model.bundle.vocabulary.context,
        )
        return AskedUser(
            serving=serving,
            model=model,
            history=user.history,
            facts=facts_of(request, user.history, user.profile, model.snapshot),
            state=self._encoder.encode(model, request.user_id, prompt, stopped),
        )


def _time_exceeded() -> Refusal:
    return Refusal(
        code=grpc.StatusCode.DEADLINE_EXCEEDED,
        reason="PREDICTION_TIME_EXCEEDED",
        message="the model did not come to it in time: is the server overloaded?",
    )
