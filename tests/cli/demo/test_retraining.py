"""The demo's last step, on a real channel: a server's model is replaced while pages are read."""

import io
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from factories_databases import migrated
from rich.console import Console

from pagecast.cli.client import Client
from pagecast.cli.demo import reader
from pagecast.cli.demo.retraining import HOLD_OUT, show_retraining
from pagecast.cli.demo.stage import CheckFailedError, Stage
from pagecast.featurestore.models.registry import Registry
from pagecast.featurestore.models.verdicts import Criterion, Verdict
from pagecast.v1 import homepage_pb2, homepage_pb2_grpc, training_pb2, training_pb2_grpc

OLD, NEW = "v-old", "v-new"


@dataclass
class Platform(
    homepage_pb2_grpc.HomepageServiceServicer, training_pb2_grpc.TrainingServiceServicer
):
    """Serves OLD, and NEW once a training that `promotes` has succeeded."""

    promotes: bool = True
    error: str = ""
    breaks_a_page: bool = False
    falls_back: bool = False
    pages: int = 0
    pages_of_new: int = 0
    version: str = OLD
    asked: training_pb2.StartTrainingRequest | None = None

    def StreamHomepage(
        self, request: homepage_pb2.StreamHomepageRequest, context: grpc.ServicerContext
    ) -> Iterator[homepage_pb2.StreamHomepageResponse]:
        self.pages += 1
        self.pages_of_new += self.version == NEW
        if self.breaks_a_page and self.pages == 3:
            context.abort(grpc.StatusCode.INTERNAL, "a page broke")
        version = OLD if self.falls_back and self.pages_of_new > 3 else self.version
        started = homepage_pb2.PageStarted(model_version=version)
        yield homepage_pb2.StreamHomepageResponse(page_started=started)
        yield homepage_pb2.StreamHomepageResponse(row_completed=homepage_pb2.RowCompleted())
        completed = homepage_pb2.PageCompleted(finish_reason=homepage_pb2.FINISH_REASON_ROWS)
        yield homepage_pb2.StreamHomepageResponse(page_completed=completed)

    def StartTraining(
        self, request: training_pb2.StartTrainingRequest, context: grpc.ServicerContext
    ) -> training_pb2.StartTrainingResponse:
        self.asked = request
        return training_pb2.StartTrainingResponse()

    def WatchTraining(
        self, request: training_pb2.WatchTrainingRequest, context: grpc.ServicerContext
    ) -> Iterator[training_pb2.WatchTrainingResponse]:
        assert self.asked is not None
        assert request.request_id == self.asked.request_id
        yield _told(training_pb2.TRAINING_STATE_WAITING)
        fit = training_pb2.TrainingProgress(stage="fit", share_done=0.5, entity_loss=2.5)
        yield _told(training_pb2.TRAINING_STATE_RUNNING, progress=fit)
        while self.pages < 5:
            time.sleep(0.01)
        if self.error:
            yield _told(training_pb2.TRAINING_STATE_FAILED, error=self.error)
            return
        self.version = NEW if self.promotes else OLD
        yield _told(training_pb2.TRAINING_STATE_SUCCEEDED, model_version=NEW)


def _told(
    state: "training_pb2.TrainingState.ValueType", **said: Any
) -> training_pb2.WatchTrainingResponse:
    training = training_pb2.Training(state=state, **said)
    return training_pb2.WatchTrainingResponse(training=training)


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "PAUSE_SECONDS", 0.01)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    engine = migrated(f"sqlite:///{tmp_path / 'pagecast.db'}")
    made = Registry(engine)
    for version, seconds, threads in ((OLD, 100.0, 2), (NEW, 10.0, 1)):
        made.register(
            version,
            parent_version=None,
            metrics={},
            data={"fit_seconds": seconds},
            config={"threads": threads},
        )
    yield made
    engine.dispose()


def judge(registry: Registry, *, passed: bool) -> None:
    criteria = (
        Criterion(name="above_popularity", passed=True, told="+0.01"),
        Criterion(name="keeps_rules", passed=passed, told="99 of 100 pages"),
    )
    registry.judge(NEW, Verdict(champion=OLD, judged_at_ms=0, criteria=criteria))


def act(platform: Platform, registry: Registry) -> tuple[Any, str]:
    """What the act returns, and what it wrote."""
    server = grpc.server(ThreadPoolExecutor(4))
    homepage_pb2_grpc.add_HomepageServiceServicer_to_server(platform, server)
    training_pb2_grpc.add_TrainingServiceServicer_to_server(platform, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    console = Console(file=io.StringIO(), width=200)
    try:
        with Client(f"127.0.0.1:{port}") as client:
            stage = Stage(console=console, client=client)
            learned = show_retraining(stage, registry, OLD, ["7", "8"], 1.0)
    finally:
        server.stop(None).wait()
    return learned, console.file.getvalue()  # type: ignore[attr-defined]


def test_pages_are_first_the_old_models_and_then_the_new_ones(registry: Registry) -> None:
    judge(registry, passed=True)
    platform = Platform()
    learned, written = act(platform, registry)
    assert platform.asked is not None
    assert platform.asked.kind == training_pb2.TRAINING_KIND_INCREMENTAL
    assert platform.asked.hold_out == HOLD_OUT
    assert learned.version == NEW
    assert learned.page_seconds is not None
    assert learned.page_seconds > 0
    assert learned.cost_share == pytest.approx(0.05), "10 s of one thread, of 100 s of two"
    assert [p.version for p in learned.pages] == sorted(
        (p.version for p in learned.pages), reverse=True
    )
    assert {page.version for page in learned.pages} == {OLD, NEW}
    assert f"first page of {NEW}" in written


def test_a_refusal_is_told_with_its_criterion_and_is_no_failure(registry: Registry) -> None:
    judge(registry, passed=False)
    learned, written = act(Platform(promotes=False), registry)
    assert learned.page_seconds is None
    assert learned.refused_by == ("keeps_rules",)
    assert "✗ keeps_rules: 99 of 100 pages" in written
    assert f"the gate refuses {NEW} (keeps_rules): {OLD} serves on" in written


def test_a_page_that_fails_meanwhile_fails_the_demo(registry: Registry) -> None:
    judge(registry, passed=True)
    with pytest.raises(CheckFailedError, match=r"1 pages failed .*a page broke"):
        act(Platform(breaks_a_page=True), registry)


def test_a_page_of_the_old_model_after_one_of_the_new_fails_the_demo(registry: Registry) -> None:
    judge(registry, passed=True)
    with pytest.raises(CheckFailedError, match=f"pages were of {OLD}, {NEW}, {OLD}"):
        act(Platform(falls_back=True), registry)


def test_a_training_that_fails_is_told_with_its_error(registry: Registry) -> None:
    with pytest.raises(CheckFailedError, match="the training has failed: no events"):
        act(Platform(error="no events"), registry)
