"""The life of a model, step 9: a challenger is ready when it is promoted."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from engine.factories_engine import TinyModel
from factories import movie, upsert
from server.factories_server import House, eventually
from structlog.testing import capture_logs

from pagecast.engine.bundles import bundle
from pagecast.featurestore.catalog.catalog import CatalogFollower
from pagecast.featurestore.database import Lock, exclusive
from pagecast.featurestore.models.records import CHAMPION, MovedFor
from pagecast.featurestore.models.registry_rows import move_alias
from pagecast.featurestore.models.verdicts import Criterion, Verdict
from pagecast.server.metrics import Metrics
from pagecast.server.models import loading_ahead, serving
from pagecast.server.models.champion import ChampionFollower
from pagecast.server.models.former_models import FormerModels
from pagecast.server.models.loading_ahead import LoadedAhead
from pagecast.server.models.serving import Servings

OTHER, THIRD = TinyModel(seed=1), TinyModel(seed=2)


@dataclass
class Life:
    """What follows the registry in a server, called by hand."""

    house: House
    servings: Servings
    champion: ChampionFollower
    ahead: LoadedAhead
    reader: ThreadPoolExecutor
    read: list[str]
    """Versions whose bundles were read, in order."""

    def check(self) -> None:
        self.champion.check(self.reader)
        self.ahead.check(self.reader)

    @property
    def serves(self) -> str:
        model = self.servings.current.model
        return "" if model is None else model.version


@pytest.fixture
def life(house: House, monkeypatch: pytest.MonkeyPatch) -> Iterator[Life]:
    """With a champion; the challenger is asked for at every check, and there are no pauses."""
    monkeypatch.setattr(loading_ahead, "AHEAD_POLL_S", 0.0)
    monkeypatch.setattr(loading_ahead, "PAUSE_SHARE", 0.0)
    read: list[str] = []
    open_bundle = bundle.open_bundle

    def noted(path: Path) -> Any:
        read.append(path.name)
        return open_bundle(path)

    monkeypatch.setattr(bundle, "open_bundle", noted)
    house.train_champion()
    bundles = house.paths.bundles
    with CatalogFollower(house.catalog) as catalog, ThreadPoolExecutor(1) as reader:
        servings = Servings(catalog, house.popularity, Metrics())
        former = FormerModels(house.registry, bundles)
        with closing(LoadedAhead(house.registry, bundles, servings)) as ahead:
            champion = ChampionFollower(house.registry, bundles, servings, former, Metrics(), ahead)
            life = Life(house, servings, champion, ahead, reader, read)
            life.check()
            yield life


def test_a_challenger_is_read_before_it_is_promoted_and_not_again(life: Life) -> None:
    challenger = life.house.train(OTHER)
    life.check()
    assert life.read[1:] == [challenger]
    life.house.registry.promote(challenger, by="test")
    life.check()
    assert life.serves == challenger
    assert life.read[1:] == [challenger]


def test_one_that_was_there_before_any_champion_is_loaded_behind_the_first(life: Life) -> None:
    first, challenger = life.serves, life.house.train(OTHER)
    with exclusive(life.house.engine, Lock.REGISTRY) as connection:
        move_alias(connection, CHAMPION, None, MovedFor(by="test", reason="promote"))
    life.ahead.check(life.reader)
    assert life.read[1:] == []
    life.house.registry.promote(first, by="test")
    life.ahead.check(life.reader)
    assert life.read[1:] == [challenger]


def test_if_the_catalog_is_what_it_was_the_promotion_only_exchanges(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    challenger = life.house.train(OTHER)
    life.check()
    monkeypatch.setattr(serving, "warm", None)
    monkeypatch.setattr(serving, "bind", None)
    life.house.registry.promote(challenger, by="test")
    life.check()
    assert life.serves == challenger


def test_people_come_over_to_it_one_by_one_as_to_any_new_champion(life: Life) -> None:
    first, challenger = life.serves, life.house.train(OTHER)
    life.check()
    life.house.registry.promote(challenger, by="test")
    life.check()
    succession = life.servings.current.succession
    assert succession is not None
    assert succession.before.version == first


async def test_it_knows_the_catalog_of_the_promotion(life: Life) -> None:
    challenger = life.house.train(OTHER)
    life.check()
    number = life.house.change(upsert(movie("new", "Drama")))
    await eventually(lambda: life.servings.current.snapshot.number == number)
    life.house.registry.promote(challenger, by="test")
    life.check()
    model = life.servings.current.model
    assert model is not None
    assert (model.version, model.snapshot.number) == (challenger, number)
    assert life.read.count(challenger) == 1


def test_an_altered_challenger_is_told_of_once_and_refused_when_it_is_promoted(life: Life) -> None:
    first, challenger = life.serves, life.house.train(OTHER)
    graph = life.house.paths.bundles / challenger / "decode.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"?")
    with capture_logs() as logs:
        for _ in range(2):
            life.check()
        assert [one["event"] for one in logs] == ["challenger_unfit"]
        life.house.registry.promote(challenger, by="test")
        life.check()
    assert "model_refused" in [one["event"] for one in logs]
    assert life.serves == first


def test_what_the_gate_refuses_is_not_loaded(life: Life) -> None:
    challenger = life.house.train(OTHER)
    life.house.registry.judge(challenger, refusal())
    life.check()
    assert challenger not in life.read


@pytest.mark.parametrize("why", ["refused", "too long", "another"])
def test_one_that_is_refused_that_nobody_promotes_or_that_another_follows_is_let_go(
    life: Life, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    challenger = life.house.train(OTHER)
    life.check()
    match why:
        case "refused":
            life.house.registry.judge(challenger, refusal())
        case "too long":
            monkeypatch.setattr(loading_ahead, "AHEAD_SECONDS_MAX", 0.0)
        case _:
            life.house.train(THIRD)
    for _ in range(2):
        life.check()
    assert life.ahead.take(challenger)[0] is None
    assert life.read.count(challenger) == 1


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Whose loading paused; a pause lasts for as long as nobody ends it."""
    for name, value in {"AHEAD_POLL_S": 0.0, "PAUSE_SHARE": 1e9, "PAUSE_S_MAX": 1e9}.items():
        monkeypatch.setattr(loading_ahead, name, value)
    paused: list[str] = []
    rest = LoadedAhead._rest

    def noted(self: LoadedAhead, challenger: str, champion: str, took_s: float) -> None:
        paused.append(challenger)
        rest(self, challenger, champion, took_s)

    monkeypatch.setattr(LoadedAhead, "_rest", noted)
    return paused


async def test_who_is_promoted_meanwhile_waits_for_no_pause(
    house: House, pauses: list[str]
) -> None:
    house.train_champion()
    async with house.serve() as served:
        challenger = house.train(OTHER)
        await eventually(lambda: challenger in pauses)
        house.registry.promote(challenger, by="test")
        await eventually(lambda: serves(served, challenger))


async def test_another_promotion_ends_the_loading_of_a_challenger(
    house: House, pauses: list[str]
) -> None:
    first, second = house.train_champion(), house.train(OTHER)
    house.registry.promote(second, by="test")
    async with house.serve() as served:
        challenger = house.train(THIRD)
        await eventually(lambda: challenger in pauses)
        house.registry.rollback(by="test")
        await eventually(lambda: serves(served, first))


async def test_a_server_ends_although_a_challenger_is_being_loaded(
    house: House, pauses: list[str]
) -> None:
    house.train_champion()
    challenger = house.train(OTHER)
    async with house.serve():
        await eventually(lambda: pauses != [])
    assert pauses == [challenger]


def serves(served: Any, version: str) -> bool:
    return bool(served.metric("pagecast_model_info", version=version) == 1)


def refusal() -> Verdict:
    criterion = Criterion(name="keeps_rules", passed=False, told="3 of 200 pages break a rule")
    return Verdict(champion=None, judged_at_ms=1, criteria=(criterion,))
