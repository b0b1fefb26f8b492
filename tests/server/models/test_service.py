"""ModelService: list, show, promote, roll back."""

import pytest
from engine.factories_engine import TinyModel
from grpc import StatusCode
from grpc.aio import AioRpcError
from server.factories_server import House, Served, details_of

from pagecast.featurestore.models.bundle_room import VERSIONS_KEPT_MIN, free_bundles
from pagecast.featurestore.models.records import CHAMPION
from pagecast.featurestore.models.verdicts import Criterion, Verdict
from pagecast.v1 import model_pb2, model_pb2_grpc


def stub(served: Served) -> "model_pb2_grpc.ModelServiceAsyncStub":
    return model_pb2_grpc.ModelServiceStub(served.channel)


async def test_models_are_listed_newest_first_with_their_aliases(house: House) -> None:
    first, second = house.train(), house.train(TinyModel(seed=1))
    async with house.serve() as served:
        await stub(served).PromoteModel(model_pb2.PromoteModelRequest(version=first))
        listed = (await stub(served).ListModels(model_pb2.ListModelsRequest())).models
        newest = await stub(served).ListModels(model_pb2.ListModelsRequest(page_size=1))
    assert [(m.version, list(m.aliases)) for m in listed] == [
        (second, ["challenger"]),
        (first, ["champion"]),
    ]
    assert [m.version for m in newest.models] == [second]
    assert listed[0].created_at.seconds > 0


async def test_one_model_is_shown_with_its_metrics(empty_house: House) -> None:
    empty_house.registry.register("v2", parent_version="v1", metrics={"ndcg_at_10": 0.25}, data={})
    async with empty_house.serve() as served:
        answer = await stub(served).GetModel(model_pb2.GetModelRequest(version="v2"))
    assert (answer.model.version, answer.model.parent_version) == ("v2", "v1")
    assert dict(answer.model.metrics) == {"ndcg_at_10": 0.25}


async def test_a_rollback_returns_to_the_champion_before(house: House) -> None:
    versions = [house.train(), house.train(TinyModel(seed=1))]
    async with house.serve() as served:
        for version in versions:
            await stub(served).PromoteModel(model_pb2.PromoteModelRequest(version=version))
        answer = await stub(served).RollbackModel(model_pb2.RollbackModelRequest())
        assert answer.model.version == versions[0]
        with pytest.raises(AioRpcError) as failed:
            await stub(served).RollbackModel(model_pb2.RollbackModelRequest())
    assert failed.value.code() is StatusCode.FAILED_PRECONDITION
    assert details_of(failed.value)["ErrorInfo"].reason == "MODEL_NO_PREDECESSOR"


async def test_a_rollback_whose_answer_was_lost_is_repeated(house: House) -> None:
    versions = [house.train(TinyModel(seed=seed)) for seed in range(3)]
    request = model_pb2.RollbackModelRequest(from_version=versions[2])
    async with house.serve() as served:
        for version in versions:
            await stub(served).PromoteModel(model_pb2.PromoteModelRequest(version=version))
        answers = [await stub(served).RollbackModel(request) for _ in range(2)]
    assert [answer.model.version for answer in answers] == [versions[1]] * 2
    assert list(answers[1].model.aliases) == [CHAMPION]


async def test_an_unknown_version_is_not_found(house: House) -> None:
    house.train_champion()
    async with house.serve() as served:
        for call in (
            stub(served).GetModel(model_pb2.GetModelRequest(version="nope")),
            stub(served).PromoteModel(model_pb2.PromoteModelRequest(version="nope")),
            stub(served).RollbackModel(model_pb2.RollbackModelRequest(from_version="nope")),
        ):
            with pytest.raises(AioRpcError) as failed:
                await call
            assert failed.value.code() is StatusCode.NOT_FOUND
            assert details_of(failed.value)["ErrorInfo"].reason == "MODEL_UNKNOWN"


async def test_a_registry_that_is_gone_is_said_to_be_unavailable(house: House) -> None:
    async with house.serve() as served:
        with house.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE models RENAME TO gone")
        with pytest.raises(AioRpcError) as failed:
            await stub(served).ListModels(model_pb2.ListModelsRequest())
        assert (await served.page("ada")).rows
    assert failed.value.code() is StatusCode.UNAVAILABLE
    assert details_of(failed.value)["ErrorInfo"].reason == "REGISTRY_UNAVAILABLE"


async def test_what_the_gate_refuses_needs_force_and_tells_why(house: House) -> None:
    version = house.train()
    criterion = Criterion(name="keeps_rules", passed=False, told="3 of 200 pages break a rule")
    house.registry.judge(version, Verdict(champion=None, judged_at_ms=5, criteria=(criterion,)))
    async with house.serve() as served:
        shown = await stub(served).GetModel(model_pb2.GetModelRequest(version=version))
        with pytest.raises(AioRpcError) as failed:
            await stub(served).PromoteModel(model_pb2.PromoteModelRequest(version=version))
        await stub(served).PromoteModel(
            model_pb2.PromoteModelRequest(version=version, force=True, note="nothing else is left")
        )
    assert [(c.name, c.passed, c.told) for c in shown.model.verdict.criteria] == [
        ("keeps_rules", False, "3 of 200 pages break a rule")
    ]
    assert failed.value.code() is StatusCode.FAILED_PRECONDITION
    assert details_of(failed.value)["ErrorInfo"].reason == "GATE_NOT_PASSED"
    move = house.registry.moves(CHAMPION)[0]
    assert (move.forced, move.note) == (True, "nothing else is left")


async def test_a_model_whose_bundle_was_freed_says_so(house: House) -> None:
    first = house.train()
    for seed in range(1, 4):
        house.train(TinyModel(seed=seed))
    free_bundles(house.registry, house.paths.bundles, VERSIONS_KEPT_MIN)
    async with house.serve() as served:
        shown = await stub(served).GetModel(model_pb2.GetModelRequest(version=first))
        with pytest.raises(AioRpcError) as failed:
            await stub(served).PromoteModel(model_pb2.PromoteModelRequest(version=first))
    assert shown.model.bundle_freed
    assert details_of(failed.value)["ErrorInfo"].reason == "MODEL_FREED"
