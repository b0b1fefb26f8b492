"""Steps 3, 4 and 6 of the life of a page: what happens in the thread of its slot."""

import time
from collections.abc import Callable, Iterator

import grpc
import structlog

from pagecast.engine.errors import EngineError
from pagecast.engine.page import DecodeOptions, decode_page
from pagecast.engine.page_events import PageEvent
from pagecast.engine.popular import popular_page
from pagecast.featurestore.prompt import build_prompt
from pagecast.rules.page_rules import compile_rules
from pagecast.server.basis import PageBasis
from pagecast.server.errors import Refusal
from pagecast.server.facts import facts_of
from pagecast.server.handover import Handover, HandoverFull
from pagecast.server.metrics import Metrics
from pagecast.server.request import PageRequest
from pagecast.server.serving import Serving
from pagecast.server.users import STRANGER, StoreUnavailable, User, Users
from pagecast.server.writer import PageWriter, Response
from pagecast.v1 import events_pb2

_log = structlog.get_logger(__name__)

MODEL_NOT_LOADED = "MODEL_NOT_LOADED"
MODEL_FAILED = "MODEL_FAILED"
FEATURE_STORE_UNAVAILABLE = "FEATURE_STORE_UNAVAILABLE"
"""Why a page is degraded, as clients and metrics see it."""


class Making:
    """One page in the making. `run` is the job of a slot, the rest its parts."""

    def __init__(
        self,
        page: PageRequest,
        serving: Serving,
        users: Users,
        metrics: Metrics,
        handover: Handover[Response],
    ) -> None:
        self._page = page
        self._serving = serving
        self._users = users
        self._metrics = metrics
        self._handover = handover
        self._submitted_s = time.monotonic()
        self._waited_ms = 0.0
        self._writer: PageWriter | None = None

    def run(self, cancelled: Callable[[], bool]) -> events_pb2.PageServed | None:
        """Makes the page, hands it over, and returns what there is to report of it, if anything.

        What goes wrong is raised where the messages are read. Stops within one decode step once
        `cancelled` says so or the page's time is over.
        """
        self._waited_ms = (time.monotonic() - self._submitted_s) * 1000
        try:
            self._make(lambda: cancelled() or self._page.clock.is_over())
        except Exception as error:
            self._handover.end(error)
        else:
            self._handover.end()
        return None if self._begun is None else self._begun.served()

    @property
    def _begun(self) -> PageWriter | None:
        """The writer of this page once the client has heard of it."""
        return self._writer if self._writer is not None and self._writer.begun else None

    def _make(self, stopped: Callable[[], bool]) -> None:
        page, serving = self._page, self._serving
        # 3. One read brings history and profile; with the request they become the prompt.
        user, degraded = self._read_user()
        prompt = build_prompt(
            user.history,
            user.profile,
            page.half,
            catalog=serving.snapshot,
            steps_max=serving.steps_max,
            context=serving.context,
        )
        # 4. What may stand where: for this user, here and now.
        facts = facts_of(page, user.history, user.profile, serving.snapshot)
        rules = compile_rules(serving.catalog, facts, serving.popular)
        # 6. Rows and entities are chosen one by one, and handed over one by one.
        self._decode(
            PageBasis(
                page=page,
                history=user.history,
                prompt=prompt,
                steps_max=serving.steps_max,
                context=serving.context,
                rules=rules,
                model_version="" if serving.model is None else serving.model.version,
                arm=serving.arm,
                degraded=(*serving.degraded, *degraded),
            ),
            stopped,
        )

    def _read_user(self) -> tuple[User, tuple[str, ...]]:
        # Half of the time is left for a page without the history, should it not come.
        time_max_s = self._page.clock.remaining_s() / 2
        try:
            return self._users.read(self._page.user_id, time_max_s), ()
        except StoreUnavailable:
            return STRANGER, (FEATURE_STORE_UNAVAILABLE,)

    def _decode(self, basis: PageBasis, stopped: Callable[[], bool]) -> None:
        """By the model; by popularity if there is none, or if it fails before the page began."""
        model = self._serving.model
        if model is None:
            self._write_popular(basis.without_model(MODEL_NOT_LOADED), stopped)
            return
        options = DecodeOptions(exact_entities=self._page.exact_entities, seed=self._page.seed)
        try:
            events = decode_page(model, basis.prompt, basis.rules, options, stopped)
            self._write(basis, events, stopped)
        except EngineError as error:
            _log.error("model_failed", version=model.version, error=str(error))
            if self._begun is not None:
                raise _model_failed() from error
            self._write_popular(basis.without_model(MODEL_FAILED), stopped)

    def _write_popular(self, basis: PageBasis, stopped: Callable[[], bool]) -> None:
        self._write(basis, popular_page(basis.rules, self._serving.scores_N), stopped)

    def _write(
        self, basis: PageBasis, events: Iterator[PageEvent], stopped: Callable[[], bool]
    ) -> None:
        writer = PageWriter(basis, self._handover.put, self._metrics, self._waited_ms)
        self._writer = writer
        try:
            for event in events:
                writer.write(event)
                if stopped():
                    break
        except HandoverFull as error:
            raise _reader_too_slow() from error
        if not writer.ended and self._page.clock.is_over():
            raise _time_exceeded()


def _model_failed() -> Refusal:
    return Refusal(
        code=grpc.StatusCode.UNAVAILABLE,
        reason=MODEL_FAILED,
        message="the model failed on the way: the rows so far stand, ask for another page",
    )


def _reader_too_slow() -> Refusal:
    return Refusal(
        code=grpc.StatusCode.RESOURCE_EXHAUSTED,
        reason="READER_TOO_SLOW",
        message="the stream is not read: read it as it comes, or ask for a shorter page",
    )


def _time_exceeded() -> Refusal:
    return Refusal(
        code=grpc.StatusCode.DEADLINE_EXCEEDED,
        reason="PAGE_TIME_EXCEEDED",
        message="the page took too long: the rows so far stand; is the server overloaded?",
    )
