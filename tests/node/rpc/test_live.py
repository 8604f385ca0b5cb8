"""Live questions: who watches hears the answer at once and each change of it, at the newest best block."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from node.rpc.dispatch import Caller, Dispatcher, NoObserver
from node.rpc.groups import live as live_module
from node.rpc.groups.live import LiveQuestions
from node.rpc.groups.runtime import add_runtime_methods
from node.rpc.jsonrpc import Limits
from node.rpc.methods import Methods
from node.rpc.openrpc import Introspection
from node.rpc.subscriptions import MAX_COSTLY_SUBSCRIPTIONS, Sink, SubscriptionTable
from runtime.frame.api import Api, ApiMethod, ApiTable, RefusedQuestion
from runtime.primitives.scale import u32, u64
from runtime.primitives.types import Hash
from tests.support.clock import ManualClock

SLOT_MAX = 2_000


class Blocks:
    """A chain whose blocks are told by hand: the slots that each has sold, by the first byte of its hash."""

    def __init__(self) -> None:
        self.properties = {"ss58Format": 42}
        self.chain: Any = self
        self.api: Any = self
        self.apis = self._table({})
        self.sold: dict[int, int] = {}
        self.asked: list[tuple[int, int]] = []
        self.later: list[Callable[[], None]] = []
        self.delays_s: list[float] = []
        self.has_api = True
        self.heard: list[Callable[[Any], None]] = []

    def on_best(self, heard: Callable[[Any], None]) -> None:
        self.heard.append(heard)

    @contextmanager
    def runtime(self, at: bytes | None) -> Iterator[ApiTable]:
        assert at is None or at == self.head
        yield self._table(self.sold) if self.has_api else ApiTable((), {})

    def block(self, number: int, sold: dict[int, int]) -> None:
        """Let another block be the best, and nothing else happen yet."""
        self.head = Hash(bytes([number]) * 32)
        self.sold = sold
        for heard in self.heard:
            heard(_Best(_Info(self.head)))

    def call_later(self, delay_s: float, step: Callable[[], None]) -> None:
        self.delays_s.append(delay_s)
        self.later.append(step)

    def now(self) -> float:
        """Return seconds; each question takes two."""
        return 2.0 * len(self.asked)

    def turn(self) -> None:
        """Let one turn of the event loop pass."""
        waiting, self.later = self.later, []
        for step in waiting:
            step()

    def settle(self) -> None:
        """Let turns pass until nothing is left to be done."""
        while self.later:
            self.turn()

    def _table(self, sold: dict[int, int]) -> ApiTable:
        def sold_in(zone: int, slot: int) -> tuple[u64, u64]:
            self.asked.append((zone, slot))
            if slot > SLOT_MAX:
                raise RefusedQuestion(f"slot {slot} is not open yet")
            if sold.get(slot) == 13:
                raise KeyError("a fault of the runtime")
            return zone, sold.get(slot, 0)

        parameters = (("zone", u32), ("slot", u32))
        watched = ApiMethod("sold_in", parameters, tuple[u64, u64], sold_in, "Sold.", is_live=True)
        fixed = ApiMethod("zones", (), u32, lambda: 1)
        return ApiTable((Api("EnergyApi", 1, (watched, fixed), rpc="energy"),), {})


class _Info:
    def __init__(self, hash_: Hash) -> None:
        self.hash = hash_


class _Best:
    def __init__(self, info: _Info) -> None:
        self.info = info


class Client:
    """One connection."""

    def __init__(self, methods: Methods) -> None:
        self.notices: list[tuple[str, object]] = []
        self.names: list[str] = []
        self.table = SubscriptionTable(self)
        self._caller = Caller("1.2.3.4", "ws", False, self.table)
        self._dispatcher = Dispatcher(
            methods, limits=Limits(), now=ManualClock().monotonic, observer=NoObserver()
        )

    def push(self, notice: bytes) -> None:
        said = json.loads(notice)
        self.names.append(said["method"])
        self.notices.append((said["params"]["subscription"], said["params"]["result"]))

    def overflow(self) -> None:
        raise AssertionError("a reader was too slow")

    async def send(self, name: str, *params: object) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": name, "params": list(params)}).encode()
        opened: list[Sink] = []
        answer = await self._dispatcher.answer(await self._dispatcher.read(body), self._caller, opened)
        for sink in opened:
            sink.announce()
        assert answer is not None
        return json.loads(answer)

    async def watch(self, zone: int, slot: int) -> str:
        answer = await self.send("energy_subscribeSoldIn", zone, slot)
        assert "result" in answer, answer
        found: str = answer["result"]
        return found

    def heard(self, subscription: str) -> list[object]:
        return [result for each, result in self.notices if each == subscription]


@pytest.fixture
def blocks() -> Blocks:
    return Blocks()


@pytest.fixture
def live(blocks: Blocks) -> LiveQuestions:
    return LiveQuestions(blocks.call_later, blocks.now)


@pytest.fixture
def methods(blocks: Blocks, live: LiveQuestions) -> Methods:
    made = Methods()
    context: Any = blocks
    add_runtime_methods(made, context, live)
    made.add(Introspection(made, title="", version=""))
    return made


@pytest.fixture
def client(methods: Methods) -> Client:
    return Client(methods)


async def test_watcher_hears_the_answer_at_once_and_each_change(blocks: Blocks, client: Client) -> None:
    watched = await client.watch(1, 7)
    assert client.heard(watched) == [["1", "0"]]
    blocks.block(1, {7: 5})
    assert client.heard(watched) == [["1", "0"]]
    blocks.settle()
    assert client.heard(watched) == [["1", "0"], ["1", "5"]]
    blocks.block(2, {7: 5})
    blocks.settle()
    assert client.heard(watched) == [["1", "0"], ["1", "5"]]
    assert set(client.names) == {"energy_soldIn"}


async def test_question_is_asked_once_a_block_however_many_watch_it(
    blocks: Blocks, live: LiveQuestions, methods: Methods
) -> None:
    clients = [Client(methods) for _ in range(3)]
    watched = [await client.watch(1, 7) for client in clients]
    assert len(live) == 1
    blocks.asked.clear()
    blocks.block(1, {7: 2})
    blocks.settle()
    assert blocks.asked == [(1, 7)]
    assert [client.heard(each)[1:] for client, each in zip(clients, watched, strict=True)] == [
        [["1", "2"]]
    ] * 3


async def test_one_question_is_asked_in_a_turn_and_all_at_the_newest_block(
    blocks: Blocks, client: Client
) -> None:
    watched = [await client.watch(1, slot) for slot in range(3)]
    blocks.asked.clear()
    blocks.block(1, {0: 1, 1: 1, 2: 1})
    blocks.turn()
    assert blocks.asked == [(1, 0)]
    blocks.block(2, {0: 2, 1: 2, 2: 2})
    blocks.settle()
    assert blocks.asked == [(1, 0), (1, 1), (1, 2), (1, 0)]
    assert [client.heard(each)[1:] for each in watched] == [
        [["1", "1"], ["1", "2"]],
        [["1", "2"]],
        [["1", "2"]],
    ]


async def test_pause_after_a_question_is_as_long_as_that_took(blocks: Blocks, client: Client) -> None:
    for slot in range(3):
        await client.watch(1, slot)
    blocks.block(1, {})
    blocks.settle()
    assert blocks.delays_s == [0, 2.0, 2.0]


async def test_late_watcher_of_a_question_brings_the_others_up_to_date(
    blocks: Blocks, methods: Methods
) -> None:
    early, late = Client(methods), Client(methods)
    first = await early.watch(1, 7)
    blocks.block(1, {7: 9})
    second = await late.watch(1, 7)
    assert early.heard(first) == [["1", "0"], ["1", "9"]]
    assert late.heard(second) == [["1", "9"]]
    blocks.settle()
    assert (len(early.notices), len(late.notices)) == (2, 1)


async def test_unsubscribed_question_is_asked_no_more(
    blocks: Blocks, live: LiveQuestions, client: Client
) -> None:
    watched = await client.watch(1, 7)
    other = await client.watch(1, 8)
    blocks.block(1, {7: 1, 8: 1})
    assert (await client.send("energy_unsubscribeSoldIn", watched))["result"] is True
    assert (await client.send("energy_unsubscribeSoldIn", watched))["result"] is False
    blocks.settle()
    assert client.heard(watched) == [["1", "0"]]
    assert client.heard(other) == [["1", "0"], ["1", "1"]]
    client.table.close_all()
    assert len(live) == 0
    blocks.block(2, {7: 2})
    assert blocks.later == []


@pytest.mark.parametrize(
    ("params", "sentence"),
    [((1,), "slot"), ((1, -1), "slot"), ((1, SLOT_MAX + 1), "not open yet"), ((1, 7, None, 3), "at most 2")],
)
async def test_wrong_question_is_answered_and_not_watched(
    live: LiveQuestions, client: Client, params: tuple[object, ...], sentence: str
) -> None:
    error = (await client.send("energy_subscribeSoldIn", *params))["error"]
    assert error["code"] == -32602
    assert sentence in error["message"]
    assert (len(live), len(client.table)) == (0, 0)


async def test_question_that_a_block_cannot_answer_keeps_its_last_answer(
    blocks: Blocks, client: Client
) -> None:
    watched = await client.watch(1, 7)
    blocks.has_api = False
    blocks.block(1, {7: 1})
    blocks.settle()
    blocks.has_api = True
    blocks.block(2, {7: 2})
    blocks.settle()
    assert client.heard(watched) == [["1", "0"], ["1", "2"]]


async def test_fault_of_one_question_ends_it_and_does_not_keep_the_others_waiting(
    blocks: Blocks, live: LiveQuestions, client: Client
) -> None:
    faulty = await client.watch(1, 7)
    other = await client.watch(1, 8)
    blocks.block(1, {7: 13, 8: 1})
    with pytest.raises(KeyError):
        blocks.turn()
    assert (len(live), len(client.table)) == (1, 1)
    blocks.settle()
    assert client.heard(other) == [["1", "0"], ["1", "1"]]
    assert (await client.send("energy_unsubscribeSoldIn", faulty))["result"] is False


async def test_connection_watches_so_many_questions_and_no_more(client: Client) -> None:
    for slot in range(MAX_COSTLY_SUBSCRIPTIONS):
        await client.watch(1, slot)
    error = (await client.send("energy_subscribeSoldIn", 1, SLOT_MAX))["error"]
    assert (error["code"], error["data"]) == (-32006, f"Exceeded max limit of {MAX_COSTLY_SUBSCRIPTIONS}")
    ended = next(each for each, _ in client.notices)
    await client.send("energy_unsubscribeSoldIn", ended)
    await client.watch(1, SLOT_MAX)


async def test_all_connections_watch_so_many_questions_and_no_more(
    methods: Methods, live: LiveQuestions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_module, "MAX_QUESTIONS", 3)
    one, other = Client(methods), Client(methods)
    for slot in range(2):
        await one.watch(1, slot)
    await other.watch(1, 2)
    await other.watch(1, 0)
    error = (await other.send("energy_subscribeSoldIn", 1, 3))["error"]
    assert (error["code"], error["data"]) == (-32006, "Exceeded max limit of 3")
    assert len(live) == 3


async def test_subscription_is_listed_and_described(client: Client) -> None:
    listed = (await client.send("rpc_methods"))["result"]["methods"]
    assert {"energy_soldIn", "energy_subscribeSoldIn", "energy_unsubscribeSoldIn"} <= set(listed)
    assert "energy_subscribeZones" not in listed
    described = {each["name"]: each for each in (await client.send("rpc.discover"))["result"]["methods"]}
    shown = described["energy_subscribeSoldIn"]
    assert [field["name"] for field in shown["params"]] == ["zone", "slot"]
    assert shown["tags"] == [{"name": "subscription"}]
    assert shown["x-notification"]["name"] == "energy_soldIn"
    assert shown["x-notification"]["schema"] == described["energy_soldIn"]["result"]["schema"]


async def test_subscription_needs_a_websocket(methods: Methods) -> None:
    dispatcher = Dispatcher(methods, limits=Limits(), now=ManualClock().monotonic, observer=NoObserver())
    body = b'{"jsonrpc":"2.0","id":1,"method":"energy_subscribeSoldIn","params":[1,7]}'
    answer = await dispatcher.answer(await dispatcher.read(body), Caller("1.2.3.4", "http", False), [])
    assert answer is not None
    assert "needs a WebSocket" in json.loads(answer)["error"]["message"]
