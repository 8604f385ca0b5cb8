"""Requests are answered or fail with a typed error; a lost connection comes back with its subscriptions."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.chain.connection import Connection, ConnectionSettings, Subscription
from apps.chain.errors import (
    ClientError,
    ConnectionLost,
    ProtocolFault,
    RequestTimeout,
    RpcFailure,
    SubscriptionOverflow,
)
from tests.apps.chain.fake_node import Answer, FakeNode, Hangup, QuickClock, Raw, Silence, until

pytestmark = pytest.mark.net


@asynccontextmanager
async def connected(answer: Answer, **limits: Any) -> AsyncIterator[tuple[FakeNode, Connection, QuickClock]]:
    clock = QuickClock()
    async with (
        FakeNode(answer) as node,
        Connection(node.url, clock, ConnectionSettings(**limits)) as connection,
    ):
        yield node, connection, clock


@asynccontextmanager
async def watched(answer: Answer, **limits: Any) -> AsyncIterator[tuple[FakeNode, Connection, Subscription]]:
    """Connect and subscribe to `a`."""
    async with (
        connected(answer, **limits) as (node, connection, _),
        connection.subscribe("watch", "a", unsubscribe="unwatch") as notices,
    ):
        yield node, connection, notices


def echo(method: str, params: list[Any]) -> Any:
    match method:
        case "echo":
            return params
        case "silence":
            raise Silence
        case "hangup":
            raise Hangup
        case "raw":
            raise Raw(params[0])
        case "watch":
            return params[0]
        case "unwatch":
            return True
        case _:
            raise LookupError(method)


async def test_answers_reach_who_asked() -> None:
    async with connected(echo) as (_, connection, _):
        answers = await asyncio.gather(*(connection.request("echo", n) for n in range(600)))
    assert answers == [[n] for n in range(600)]


async def test_an_error_of_the_node_has_its_code_and_data() -> None:
    async with connected(echo) as (_, connection, _):
        with pytest.raises(RpcFailure) as caught:
            await connection.request("nothing")
    assert (caught.value.code, caught.value.message, caught.value.data) == (
        -32601,
        "Method not found",
        "nothing",
    )


async def test_a_request_without_an_answer_times_out_and_the_next_does_not() -> None:
    async with connected(echo) as (_, connection, _):
        await connection.request("echo")
        with pytest.raises(RequestTimeout) as caught:
            await connection.request("silence", timeout_s=0.01)
        assert (caught.value.method, caught.value.timeout_s) == ("silence", 0.01)
        assert await connection.request("echo", 1) == [1]


async def test_an_answer_that_comes_too_late_is_ignored() -> None:
    async with connected(echo) as (node, connection, _):
        with pytest.raises(RequestTimeout):
            await connection.request("silence", timeout_s=0.05)
        await node.sockets[-1].send_str('{"jsonrpc":"2.0","id":1,"result":7}')
        assert await connection.request("echo", 1) == [1]


async def test_requests_in_flight_fail_when_the_connection_ends_and_later_ones_do_not() -> None:
    async with connected(echo) as (node, connection, clock):
        waiting = asyncio.gather(
            connection.request("silence"), connection.request("silence"), return_exceptions=True
        )
        await until(lambda: node.count("silence") == 2)
        await node.hang_up()
        assert [type(one) for one in await waiting] == [ConnectionLost, ConnectionLost]
        assert await connection.request("echo", 1) == [1]
        assert clock.slept


async def test_each_attempt_waits_twice_as_long_up_to_a_limit() -> None:
    clock = QuickClock()
    async with FakeNode(echo) as node:
        url = node.url
    limits = ConnectionSettings(retry_first_s=1.0, retry_max_s=5.0, timeout_s=0.02)
    async with Connection(url, clock, limits) as connection:
        await until(lambda: len(clock.slept) >= 5)
        with pytest.raises(ConnectionLost, match="cannot be reached"):
            await connection.request("echo")
    assert clock.slept[:5] == [1.0, 2.0, 4.0, 5.0, 5.0]


async def test_a_connection_that_lasted_starts_the_waits_over() -> None:
    async with connected(echo, retry_first_s=1.0, stable_s=10.0) as (node, connection, clock):
        for passed, expected in ((0.0, [1.0]), (9.0, [1.0, 2.0]), (10.0, [1.0, 2.0, 1.0])):
            await connection.request("echo")
            clock.passed += passed
            await node.hang_up()
            await until(lambda expected=expected: len(clock.slept) == len(expected))  # type: ignore[misc]  # default
            assert clock.slept == expected


async def test_notices_come_in_order_and_the_node_hears_of_the_end() -> None:
    async with connected(echo) as (node, connection, _):
        watching = connection.subscribe("watch", "a", unsubscribe="unwatch")
        async with watching as notices:
            for number in range(3):
                await node.push("a", number)
                await node.push("b", "of somebody else")
            assert [await anext(notices) for _ in range(3)] == [0, 1, 2]
        assert node.calls[-1] == ("unwatch", ["a"])


async def test_a_notice_right_behind_the_answer_is_not_lost() -> None:
    def answer(method: str, params: list[Any]) -> Any:
        if method == "watch":
            note = '{"jsonrpc":"2.0","method":"note","params":{"subscription":"a","result":5}}'
            raise Raw('{"id":1,"result":"a"}', note)
        return True

    async with watched(answer) as (_, _, notices):
        assert await anext(notices) == 5


async def test_a_reader_too_slow_gets_what_waits_and_then_an_error() -> None:
    async with watched(echo, queue_max=2) as (node, connection, notices):
        for number in range(3):
            await node.push("a", number)
        await connection.request("echo")
        assert [await anext(notices) for _ in range(2)] == [0, 1]
        with pytest.raises(SubscriptionOverflow) as caught:
            await anext(notices)
        assert caught.value.limit == 2


async def test_a_full_queue_alone_is_no_overflow() -> None:
    async with watched(echo, queue_max=2) as (node, connection, notices):
        for number in range(2):
            await node.push("a", number)
        await connection.request("echo")
        assert not notices.has_ended


async def test_subscriptions_are_made_again_or_end_as_their_reader_wants() -> None:
    async with connected(echo) as (node, connection, _):
        async with (
            connection.subscribe("watch", "a", unsubscribe="unwatch") as lasting,
            connection.subscribe("watch", "b", unsubscribe="unwatch", resumes=False) as once,
        ):
            for round_ in range(2):
                await node.hang_up()
                await until(lambda round_=round_: node.calls.count(("watch", ["a"])) == round_ + 2)  # type: ignore[misc]  # default
                await connection.request("echo")
                await node.push("a", round_)
                assert await anext(lasting) == round_
            with pytest.raises(ConnectionLost):
                await anext(once)
        assert node.count("watch") == 4


async def test_a_subscription_that_is_refused_again_ends_with_the_refusal() -> None:
    refuses = False

    def answer(method: str, params: list[Any]) -> Any:
        if refuses and method == "watch":
            raise LookupError("no more")
        return echo(method, params)

    async with watched(answer) as (node, _, notices):
        refuses = True
        await node.hang_up()
        with pytest.raises(RpcFailure):
            await anext(notices)


async def test_a_refused_subscription_raises() -> None:
    async with connected(echo) as (_, connection, _):
        with pytest.raises(RpcFailure):
            async with connection.subscribe("nothing", unsubscribe="unwatch"):
                raise AssertionError("it was opened")


MALFORMED = [
    "",
    "{",
    "null",
    "5",
    "[]",
    '"text"',
    "{}",
    '{"id":1}',
    '{"id":[],"result":1}',
    '{"id":1,"error":5}',
    '{"id":1,"error":{}}',
    '{"method":"note"}',
    '{"method":"note","params":[]}',
    '{"method":"note","params":{"subscription":{},"result":1}}',
    '{"id":1,"result":NaN}',
    "[" * 5_000,
]


@pytest.mark.parametrize("text", MALFORMED, ids=lambda text: text[:40])
async def test_what_is_no_json_rpc_ends_the_connection_with_a_typed_error(text: str) -> None:
    async with connected(echo) as (_, connection, _):
        with pytest.raises(ProtocolFault):
            await connection.request("raw", text)
        assert await connection.request("echo", 1) == [1]


async def test_binary_messages_end_the_connection() -> None:
    async with connected(echo) as (node, connection, _):
        waiting = asyncio.gather(connection.request("silence"), return_exceptions=True)
        await until(lambda: node.count("silence") == 1)
        await node.sockets[-1].send_bytes(b'{"jsonrpc":"2.0","id":1,"result":7}')
        assert [type(one) for one in await waiting] == [ProtocolFault]


async def test_a_message_of_more_bytes_than_the_limit_ends_the_connection() -> None:
    async with connected(echo, message_bytes_max=1_000) as (_, connection, _):
        assert await connection.request("echo", "x" * 900)
        with pytest.raises(ConnectionLost):
            await connection.request("echo", "x" * 1_001)


async def test_no_more_requests_than_the_limit_are_in_flight() -> None:
    async with connected(echo, in_flight_max=3) as (node, connection, _):
        waiting = [asyncio.ensure_future(connection.request("silence", timeout_s=0.5)) for _ in range(4)]  # noqa: TID251
        await until(lambda: node.count("silence") >= 3)
        await asyncio.sleep(0.01)
        assert node.count("silence") == 3
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert {type(one) for one in outcomes} == {RequestTimeout}


NAMES = ("id", "result", "error", "method", "params", "subscription", "code")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(NAMES),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(JSON)
def test_any_json_is_taken_or_is_a_protocol_fault(message: Any) -> None:
    connection = Connection("ws://nowhere", QuickClock(), ConnectionSettings())
    try:
        connection._receive(message)
    except (KeyError, TypeError):
        return
    except ClientError as error:
        raise AssertionError from error
