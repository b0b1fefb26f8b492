"""ExperimentService: start, stop, list, report."""

import asyncio
import threading
import time
from collections.abc import Callable

import pytest
from featurestore.experiments.factories_experiments import clicking
from grpc import StatusCode
from grpc.aio import AioRpcError
from server.factories_server import House, Served, details_of
from server.models.test_arms import with_rival

from pagecast.featurestore.experiments.store import Experiments
from pagecast.server.experiments import service as experiments
from pagecast.v1 import experiment_pb2, experiment_pb2_grpc


def stub(served: Served) -> "experiment_pb2_grpc.ExperimentServiceAsyncStub":
    return experiment_pb2_grpc.ExperimentServiceStub(served.channel)


def starting(name: str = "one", **shares: float) -> experiment_pb2.StartExperimentRequest:
    shares = shares or {"champion": 0.5, "rival": 0.5}
    arms = [experiment_pb2.Arm(alias=alias, share=share) for alias, share in shares.items()]
    return experiment_pb2.StartExperimentRequest(name=name, arms=arms)


async def test_an_experiment_is_started_listed_and_stopped(house: House) -> None:
    with_rival(house)
    async with house.serve() as served:
        started = (await stub(served).StartExperiment(starting())).experiment
        listed = await stub(served).ListExperiments(experiment_pb2.ListExperimentsRequest())
        request = experiment_pb2.StopExperimentRequest(name="one")
        stopped = (await stub(served).StopExperiment(request)).experiment
    assert list(listed.experiments) == [started]
    assert (started.control, started.outcome_window.ToSeconds()) == ("champion", 86_400)
    assert stopped.HasField("stopped_at")
    assert not started.HasField("stopped_at")


async def test_what_cannot_be_is_refused_with_the_field(house: House) -> None:
    with_rival(house)
    wrong = [
        (starting(champion=0.6, rival=0.6), "arms"),
        (starting(champion=0.6, nobody=0.1), "arms"),
        (starting(champion=0.6), "arms"),
        (starting("Not a name"), "name"),
    ]
    async with house.serve() as served:
        for request, field in wrong:
            with pytest.raises(AioRpcError) as error:
                await stub(served).StartExperiment(request)
            assert error.value.code() == StatusCode.INVALID_ARGUMENT
            violations = details_of(error.value)["BadRequest"].field_violations  # type: ignore[attr-defined]
            assert [violation.field for violation in violations] == [field]


async def test_an_unknown_experiment_is_not_found(house: House) -> None:
    async with house.serve() as served:
        asked = (
            stub(served).StopExperiment(experiment_pb2.StopExperimentRequest(name="x")),
            stub(served).GetExperimentReport(experiment_pb2.GetExperimentReportRequest(name="x")),
        )
        for call in asked:
            with pytest.raises(AioRpcError) as error:
                await call
            assert error.value.code() == StatusCode.NOT_FOUND
            assert details_of(error.value)["ErrorInfo"].reason == "EXPERIMENT_UNKNOWN"  # type: ignore[attr-defined]


async def test_the_report_is_made_of_the_log_that_ingest_writes(house: House) -> None:
    with_rival(house)
    async with house.serve() as served:
        await stub(served).StartExperiment(starting())
        experiment = Experiments(house.engine).get("one")
        clicking(60, experiment, 0.1).write(house.paths.offline)
        request = experiment_pb2.GetExperimentReportRequest(name="one")
        report = (await stub(served).GetExperimentReport(request)).report
    assert sum(arm.users for arm in report.arms) == 60
    clicks = next(one for one in report.metrics if one.metric == "clicks")
    assert clicks.control_users + clicks.treated_users == 60
    assert clicks.treated_mean - clicks.control_mean == pytest.approx(clicks.difference.value)
    assert not clicks.difference.HasField("low")
    assert report.as_of.ToMilliseconds() > report.began_at.ToMilliseconds()


async def test_the_work_on_a_report_that_nobody_waits_for_ends(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, ended = threading.Event(), threading.Event()

    def endless(*_: object, told: Callable[[float], None], **__: object) -> None:
        begun.set()
        try:
            while True:
                told(0.5)
                time.sleep(0.01)
        finally:
            ended.set()

    monkeypatch.setattr(experiments, "report_with_estimates", endless)
    request = experiment_pb2.GetExperimentReportRequest(name="one", off_policy_pages=10)
    async with house.serve() as served:
        call = stub(served).GetExperimentReport(request)
        assert await asyncio.to_thread(begun.wait, 30)
        call.cancel()
        assert await asyncio.to_thread(ended.wait, 10)
    assert await call.code() == StatusCode.CANCELLED
