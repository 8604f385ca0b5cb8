"""Dispatch: every call gets exactly one answer with its id, whatever a handler or a caller does."""

import asyncio
import json
from collections.abc import Sequence

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from node.rpc.access import RateLimiter
from node.rpc.dispatch import HEAVY_BODY_BYTES, Caller, Dispatcher
from node.rpc.jsonrpc import TOGETHER_MAX, Calls, Limits, encode_answer
from node.rpc.methods import Methods, batch_of, method
from node.rpc.subscriptions import Sink, SubscriptionTable
from tests.node.rpc.demo import Demo


class Log:
    """An observer that remembers, and an outlet that swallows."""

    def __init__(self) -> None:
        self.started: list[tuple[str, int]] = []
        self.finished: list[tuple[str, int, int]] = []
        self.limited: list[tuple[str, int]] = []

    def on_started(self, protocol: str, method: str, calls: int) -> None:
        self.started.append((method, calls))

    def on_finished(self, protocol: str, method: str, calls: int, errors: int, took_us: int) -> None:
        assert took_us >= 0
        self.finished.append((method, calls, errors))

    def on_rate_limited(self, protocol: str, method: str, calls: int) -> None:
        self.limited.append((method, calls))

    def on_session_opened(self) -> None: ...

    def on_session_closed(self, took_us: int) -> None: ...

    def push(self, notice: bytes) -> None: ...

    def overflow(self) -> None: ...


class Bench:
    """A dispatcher over the demo, with everything in reach."""

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        unsafe: bool = True,
        rate: int | None = None,
        websocket: bool = True,
    ) -> None:
        self.demo = Demo()
        self.log = Log()
        self.now_s = 0.0
        self.dispatcher = Dispatcher(
            Methods(self.demo),
            limits=limits or Limits(),
            now=lambda: self.now_s,
            observer=self.log,
            limiter=RateLimiter(rate) if rate is not None else None,
        )
        self.table = SubscriptionTable(self.log, limit=2)
        self.caller = Caller("1.2.3.4", "ws", unsafe, self.table if websocket else None)
        self.opened: list[Sink] = []

    async def raw(self, body: bytes) -> bytes | None:
        return await self.dispatcher.answer(await self.dispatcher.read(body), self.caller, self.opened)

    async def send(self, value: object) -> list[dict[str, object]]:
        answer = await self.raw(json.dumps(value).encode())
        decoded = [] if answer is None else json.loads(answer)
        return decoded if isinstance(decoded, list) else [decoded]

    async def call(self, name: str, *params: object) -> object:
        (answer,) = await self.send(call(name, *params))
        return answer["result"] if "result" in answer else answer["error"]

    async def code(self, name: str, *params: object) -> int:
        error = await self.call(name, *params)
        assert isinstance(error, dict)
        code = error["code"]
        assert isinstance(code, int)
        return code


def call(name: str, *params: object, id_: object = 1) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": id_, "method": name, "params": list(params)}


def notification(name: str, *params: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "method": name, "params": list(params)}


async def test_unknown_method_has_exactly_the_message_clients_compare() -> None:
    error = await Bench().call("chain_getNothing")
    assert isinstance(error, dict)
    assert (error["code"], error["message"]) == (-32601, "Method not found")


async def test_unsafe_method_is_refused_with_a_message_of_its_own() -> None:
    bench = Bench(unsafe=False)
    assert await bench.call("dev_newBlock") == {
        "code": -32601,
        "message": "dev_newBlock is unsafe; start with --rpc-methods unsafe",
    }
    assert await Bench(unsafe=True).call("dev_newBlock") == [1, None, 0]


@pytest.mark.parametrize("name", ["test_fail", "test_failLater", "test_unencodable"])
async def test_failing_handler_is_an_internal_error_that_tells_no_details(name: str) -> None:
    (answer,) = await Bench().send(call(name, id_="i"))
    error = answer["error"]
    assert isinstance(error, dict)
    assert (answer["id"], error["code"]) == ("i", -32603)
    assert "planted" not in json.dumps(answer)


async def test_repeated_failure_is_logged_once_a_minute() -> None:
    bench = Bench()
    with structlog.testing.capture_logs() as logs:
        for second in (0, 1, 59, 60):
            bench.now_s = second
            await bench.call("test_fail")
    assert [(entry["method"], entry["unlogged"]) for entry in logs] == [("test_fail", 0), ("test_fail", 2)]


async def test_calls_while_the_node_ends_after_a_failed_write_fill_no_log() -> None:
    bench = Bench()
    with structlog.testing.capture_logs() as logs:
        error = await bench.call("test_failClosed")
    assert error == {
        "code": -32603,
        "message": "Internal error",
        "data": "the node is ending; its log has the reason",
    }
    assert logs == []


async def test_error_of_a_handler_keeps_code_message_and_data() -> None:
    assert await Bench().call("author_submitExtrinsic", "0xff") == {
        "code": 1010,
        "message": "Invalid Transaction",
        "data": "Transaction is outdated",
    }


@pytest.mark.parametrize("name", ["author_submitExtrinsic", "test_collect", "test_later", "chain_getHead"])
async def test_batch_of_one_method_answers_as_single_calls_do(name: str) -> None:
    """Every form of id, good and bad parameters; methods with a batch handler, async ones and plain ones."""
    params: list[object] = [["0x01"], [8], {"extrinsic": "0x02"}, {"value": 3}, None, [], [None], ["zz"], 5]
    ids: list[object] = [0, -1, 2**64 - 1, "a", "", None, "\u2028", 7, 7, 2**63]
    calls = [
        {"jsonrpc": "2.0", "method": name, "params": one, "id": request_id}
        for one, request_id in zip(params, ids, strict=False)
    ]
    together = await Bench().send(calls)
    alone = [await Bench().raw(json.dumps(one).encode()) for one in calls]
    assert [answer["id"] for answer in together] == ids[: len(calls)]
    for answer, single in zip(together, alone, strict=True):
        expected = json.loads(single or b"")
        assert ("error" in answer) == ("error" in expected)
        if "error" not in answer or answer["error"]["code"] == -32602:  # type: ignore[index]  # JSON
            assert answer == expected


async def test_notification_is_run_and_not_answered() -> None:
    bench = Bench()
    assert await bench.send(notification("author_submitExtrinsic", "0x01")) == []
    assert await bench.send(notification("author_submitExtrinsic", "wrong")) == []
    assert await bench.send(notification("nothing")) == []
    assert await bench.send([notification("author_submitExtrinsic", "0x02"), notification("nothing")]) == []
    assert bench.demo.submitted == [b"\x01"]
    assert bench.demo.batches == [1]


async def test_batch_is_answered_in_order_whatever_its_calls_do() -> None:
    batch = [
        call("test_later", 1, id_=0),
        call("author_submitExtrinsic", "0x01", id_="a"),
        call("author_submitExtrinsic", "0x0", id_="b"),
        notification("author_submitExtrinsic", "0x02"),
        call("author_submitExtrinsic", "0xff", id_="c"),
        1,
        call("test_fail", id_=5),
        call("nothing", id_=6),
        call("author_submitExtrinsic", "0x03", id_=7),
        {"jsonrpc": "2.0", "id": 8},
        call("test_later", 2, id_=None),
    ]
    bench = Bench()
    answers = await bench.send(batch)
    assert [answer["id"] for answer in answers] == [0, "a", "b", "c", None, 5, 6, 7, 8, None]
    codes = [answer["error"]["code"] if "error" in answer else 0 for answer in answers]  # type: ignore[index]  # JSON
    assert codes == [0, 0, -32602, 1012, -32600, -32603, -32601, 0, -32600, 0]
    assert bench.demo.batches == [3, 1]


async def test_batch_handler_gets_at_most_its_limit_of_calls_at_once() -> None:
    bench = Bench(limits=Limits(batch_calls=10_000))
    calls = [call("author_submitExtrinsic", "0x01", id_=n) for n in range(TOGETHER_MAX + 1)]
    answers = await bench.send(calls)
    assert [answer["id"] for answer in answers] == list(range(TOGETHER_MAX + 1))
    assert bench.demo.batches == [TOGETHER_MAX, 1]


class Faulty:
    """Batch handlers that break their contract."""

    def __init__(self, results: object) -> None:
        self.results = results

    @method("submit")
    def submit(self, value: int) -> int:
        """One."""
        return value

    @batch_of("submit")
    async def many(self, values: Sequence[int]) -> object:
        if isinstance(self.results, Exception):
            raise self.results
        return self.results


class Guarded:
    """An unsafe method with a batch handler."""

    @method("dev_submit", unsafe=True)
    async def submit(self, value: int) -> int:
        """One."""
        return value

    @batch_of("dev_submit")
    async def many(self, values: Sequence[int]) -> list[object]:
        return list(values)


@pytest.mark.parametrize("unsafe", [False, True])
async def test_batch_handler_does_not_open_an_unsafe_method(unsafe: bool) -> None:
    bench = Bench(unsafe=unsafe)
    bench.dispatcher._methods.add(Guarded())
    answers = await bench.send([call("dev_submit", 1), call("dev_submit", 2)])
    assert ["result" in answer for answer in answers] == [unsafe, unsafe]
    many = await bench.dispatcher.answer_many(Calls("dev_submit", [1], [[1]]), bench.caller)
    assert [b"is unsafe" not in (answer or b"") for answer in many] == [unsafe]


@pytest.mark.parametrize("results", [[1], [1, 2, 3], None, [{1}, 2], ValueError("planted")])
async def test_faulty_batch_handler_fails_all_its_calls_and_no_others(results: object) -> None:
    bench = Bench()
    bench.dispatcher._methods.add(Faulty(results))
    answers = await bench.send([call("submit", 1), call("submit", 2), call("system_health")])
    assert ["error" in answer for answer in answers] == [True, True, False]


async def test_answer_longer_than_the_limit_is_refused() -> None:
    fits = 100 - len(encode_answer(1, ""))
    bench = Bench(limits=Limits(response_bytes=100))
    assert await bench.call("test_big", fits) == "x" * fits
    assert await bench.code("test_big", fits + 1) == -32008


async def test_batch_stops_at_the_first_answer_that_does_not_fit() -> None:
    size = len(encode_answer(1, "x" * 100))
    for room, kept in ((2 * size, 2), (2 * size - 1, 1)):
        bench = Bench(limits=Limits(response_bytes=room))
        batch = [call("test_big", 100, id_=n) for n in (1, 2)]
        answers = await bench.send([*batch, call("author_submitExtrinsic", "0x01"), call("nothing")])
        assert ["result" in answer for answer in answers] == [n < kept for n in range(4)]
        assert bench.demo.submitted == []
        assert bench.demo.batches == []


async def test_batch_longer_than_the_response_limit_keeps_what_fits_and_runs_no_more() -> None:
    bench = Bench(limits=Limits(response_bytes=1000))
    batch = [call("test_big", 400, id_=n) for n in range(4)] + [call("author_submitExtrinsic", "0x01", id_=9)]
    answers = await bench.send(batch)
    assert [answer["id"] for answer in answers] == [0, 1, 2, 3, 9]
    codes = [answer["error"]["code"] if "error" in answer else 0 for answer in answers]  # type: ignore[index]  # JSON
    assert codes == [0, 0, -32011, -32011, -32011]
    assert bench.demo.batches == []
    assert bench.demo.sizes == [400] * 3
    assert bench.log.finished == [("test_big", 4, 1)]


async def test_single_calls_answered_together_are_counted_with_their_errors() -> None:
    bench = Bench()
    answers = await bench.dispatcher.answer_many(
        Calls("test_collect", [1, 2, 3], [[1], [7], ["x"]]), bench.caller
    )
    assert [b'"error"' in (answer or b"") for answer in answers] == [False, True, True]
    assert bench.log.finished == [("test_collect", 3, 2)]


async def test_rate_limit_counts_the_calls_of_batches() -> None:
    bench = Bench(rate=5)
    answers = await bench.send([call("author_submitExtrinsic", "0x01", id_=n) for n in range(7)])
    assert ["result" in answer for answer in answers] == [True] * 5 + [False] * 2
    assert [answer["id"] for answer in answers] == list(range(7))
    assert await bench.code("system_health") == -32999
    assert bench.log.limited == [("author_submitExtrinsic", 2), ("system_health", 1)]
    bench.now_s = 60
    assert await bench.call("test_raw") == {"raw": 1}


async def test_rate_limit_lets_the_first_calls_of_a_batch_through_whatever_the_method() -> None:
    for name in ("chain_getHead", "test_later", "test_collect", "nothing"):
        bench = Bench(rate=3)
        answers = await bench.send([call(name, 1, id_=n) for n in range(5)])
        limited = [answer.get("error", {}).get("code") == -32999 for answer in answers]  # type: ignore[attr-defined]  # JSON
        assert limited == [False] * 3 + [True] * 2
        (finished,) = bench.log.finished
        assert finished[1] == 3
        answers = await bench.send([call(name, 1, id_=n) for n in range(2)])
        assert [answer["error"]["code"] for answer in answers] == [-32999] * 2  # type: ignore[index]  # JSON
        assert len(bench.log.finished) == 1


async def test_subscription_needs_a_websocket_an_id_and_room() -> None:
    assert await Bench(websocket=False).code("chain_subscribeNewHeads") == -32601
    bench = Bench()
    assert await bench.send(notification("chain_subscribeNewHeads")) == []
    assert len(bench.table) == 0
    first = await bench.call("chain_subscribeNewHeads")
    await bench.call("state_subscribeStorage", ["0x01"])
    assert await bench.code("chain_subscribeNewHeads") == -32006
    assert await bench.call("chain_unsubscribeNewHead", first) is True
    assert await bench.call("chain_unsubscribeNewHead", first) is False
    assert await bench.code("chain_unsubscribeNewHead") == -32602
    assert len(bench.opened) == 2


async def test_failed_subscription_leaves_nothing_behind() -> None:
    bench = Bench()
    assert await bench.code("state_subscribeStorage", []) == 4002
    assert await bench.code("state_subscribeStorage", 1) == -32602
    assert await bench.code("state_subscribeStorage", ["0x"] * 6) == -32602
    assert (len(bench.table), bench.opened) == (0, [])


async def test_statistics_name_known_methods_once_and_unknown_ones_alike() -> None:
    bench = Bench()
    batch = [call("author_submitExtrinsic", "0x01"), call("author_submitExtrinsic", "0x0")]
    await bench.send(
        [*batch, call("chain_getHead"), call("made_up_1"), call("made_up_2"), call("test_later")]
    )
    assert bench.log.finished == [
        ("author_submitExtrinsic", 2, 1),
        ("chain_getBlockHash", 1, 0),
        ("unknown", 1, 1),
        ("unknown", 1, 1),
        ("test_later", 1, 0),
    ]
    assert bench.log.started == [(name, calls) for name, calls, _ in bench.log.finished]


async def test_long_batch_gives_others_their_turn() -> None:
    bench = Bench(limits=Limits(batch_calls=1000))
    clock = iter(range(100_000))
    bench.dispatcher._now = lambda: next(clock) / 1000
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async with asyncio.TaskGroup() as group:
        other = group.create_task(others())
        await bench.send([call("system_health", id_=n) for n in range(50)])
        other.cancel()
    assert turns > 12


async def test_long_bodies_are_parsed_in_turns() -> None:
    bench = Bench()
    body = json.dumps(call("test_raw")).encode().ljust(HEAVY_BODY_BYTES + 1)
    order: list[str] = []

    async def post(name: str, data: bytes) -> None:
        await bench.raw(data)
        order.append(name)

    async with asyncio.TaskGroup() as group:
        for name in ("heavy 1", "heavy 2", "heavy 3"):
            group.create_task(post(name, body))
        group.create_task(post("light", body.strip()))
    assert order.index("light") < order.index("heavy 2")


NAMES = sorted(Methods(Demo())._entries.keys() - {"test_wait", "test_busy", "test_big"})
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**65), 2**65)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6)
    | st.sampled_from(["0x", "0x00", "0xff", "0x0", "0x" + "ab" * 32]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
CALLS = st.fixed_dictionaries(
    {"jsonrpc": st.just("2.0"), "method": st.sampled_from(NAMES) | st.text(max_size=4)},
    optional={"id": st.integers(0, 9) | st.text(max_size=2) | st.none(), "params": VALUES},
)


def check_answer(value: object, answer: bytes | None) -> None:
    calls = value if isinstance(value, list) and value else [value]
    expected = [one for one in calls if not isinstance(one, dict) or "id" in one]
    if not expected:
        assert answer is None
        return
    assert answer is not None
    decoded = json.loads(answer)
    answers = decoded if isinstance(decoded, list) else [decoded]
    assert isinstance(decoded, list) == (isinstance(value, list) and bool(value))
    assert len(answers) == len(expected)
    for one, given_answer in zip(expected, answers, strict=True):
        assert given_answer["jsonrpc"] == "2.0"
        assert given_answer["id"] == (one["id"] if isinstance(one, dict) else None)
        assert ("result" in given_answer) != ("error" in given_answer)


@given(CALLS | st.lists(CALLS, max_size=5))
def test_any_well_formed_calls_get_one_answer_each(value: object) -> None:
    check_answer(value, asyncio.run(Bench().raw(json.dumps(value).encode())))


@given(st.binary(max_size=60) | st.text(alphabet='{}[]":,0x12.eE-nulltrue ', max_size=40).map(str.encode))
def test_any_bytes_get_a_valid_answer(body: bytes) -> None:
    answer = asyncio.run(Bench().raw(body))
    if answer is not None:
        decoded = json.loads(answer)
        for one in decoded if isinstance(decoded, list) else [decoded]:
            assert ("result" in one) != ("error" in one)
