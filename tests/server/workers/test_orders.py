"""A worker's orders arrive unchanged, and nowhere else; two that share a port both answer."""

import os
from pathlib import Path

import grpc
import pytest
from server.factories_server import House

from pagecast.eventlog.bootstrap import Bootstrap, Mechanism, Protocol, SecuredKafka
from pagecast.featurestore.pages.reward import Outcome, RewardConfig
from pagecast.featurestore.state import StatePaths
from pagecast.server.config import ServerConfig
from pagecast.server.rpc.listening import Listening
from pagecast.server.workers.orders import ORDERS_VARIABLE, WorkerOrders
from pagecast.server.workers.shared_port import held_port

KEY = "a key that all workers are given."
CHANNELS_MAX = 64
"""One goes to either of two workers by chance: all to one is as likely as 2 ** -63."""


@pytest.mark.parametrize(
    "kafka",
    [
        "one:9092",
        SecuredKafka(
            servers="one:9093",
            protocol=Protocol.SASL_PLAINTEXT,
            mechanism=Mechanism.PLAIN,
            username="server",
            password="hidden",
        ),
        SecuredKafka(servers="one:9093", protocol=Protocol.SSL, ca_file=__file__),
    ],
)
def test_orders_come_back_whole_and_are_taken_once(
    kafka: Bootstrap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rewards = RewardConfig(table={**RewardConfig().table, Outcome.HIDDEN: -3.0}, row="max")
    config = ServerConfig(
        state=StatePaths(root=tmp_path),
        port=7,
        bootstrap_servers=kafka,
        share_port=True,
        continuation_key=KEY,
        slots_max=3,
        rewards=rewards,
    )
    ours, theirs = os.pipe()
    for name, value in WorkerOrders(number=4, config=config, pipe=theirs).to_environment().items():
        monkeypatch.setenv(name, value)
    taken = WorkerOrders.take()
    assert (taken.number, taken.config) == (4, config)
    assert ORDERS_VARIABLE not in os.environ
    taken.ready(Listening(host="127.0.0.1", port=7, metrics_port=99))
    os.close(theirs)
    with os.fdopen(ours, "rb") as pipe:
        assert pipe.read() == b"99\n"


def test_a_port_that_is_shared_must_be_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="port is 0, must be named"):
        ServerConfig(state=StatePaths(root=tmp_path), port=0, share_port=True)


async def test_two_on_one_port_both_answer_and_carry_on_each_other_s_pages(house: House) -> None:
    house.train_champion()
    with held_port("127.0.0.1", 0) as port:
        config = {"port": port, "share_port": True, "continuation_key": KEY}
        async with house.serve(**config) as one, house.serve(**config) as other:
            pages = [one.metric, other.metric]

            def counts() -> list[float]:
                return [metric("pagecast_time_to_page_seconds_count") for metric in pages]

            token, before = "", counts()
            for _ in range(CHANNELS_MAX):
                async with grpc.aio.insecure_channel(
                    one.target, options=[("grpc.use_local_subchannel_pool", 1)]
                ) as channel:
                    page = await one.through(channel).page("ada", rows=1, continuation=token)
                token = page.rows[-1].continuation if page.rows else ""
                if all(count > then for count, then in zip(counts(), before, strict=True)):
                    break
            assert min(counts()) > 0
