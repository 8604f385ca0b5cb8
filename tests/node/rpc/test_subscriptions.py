"""Subscriptions of one connection: order, limits, ends, and publishers."""

import json

import pytest

from node.rpc import subscriptions
from node.rpc.jsonrpc import RpcError
from node.rpc.subscriptions import Publisher, Sink, SubscriptionTable


class Recorder:
    """An outlet that remembers."""

    def __init__(self) -> None:
        self.notices: list[dict[str, object]] = []
        self.overflows = 0

    def push(self, notice: bytes) -> None:
        params = json.loads(notice)["params"]
        self.notices.append(params)

    def overflow(self) -> None:
        self.overflows += 1


def open_sink(table: SubscriptionTable) -> Sink:
    return table.open("chain_subscribeNewHeads", "chain_newHead")


def test_notices_wait_until_the_subscription_is_announced() -> None:
    outlet = Recorder()
    sink = open_sink(SubscriptionTable(outlet))
    sink.send(1)
    assert outlet.notices == []
    sink.announce()
    sink.send(2)
    assert [notice["result"] for notice in outlet.notices] == [1, 2]
    assert {notice["subscription"] for notice in outlet.notices} == {sink.id}


def test_more_notices_before_the_announcement_than_the_limit_overflow() -> None:
    outlet = Recorder()
    sink = open_sink(SubscriptionTable(outlet, max_held=2))
    sink.send(1)
    sink.send(2)
    assert outlet.overflows == 0
    sink.send(3)
    assert outlet.overflows == 1


def test_closed_sink_sends_nothing_and_calls_back_once() -> None:
    outlet, calls = Recorder(), []
    sink = open_sink(SubscriptionTable(outlet))
    sink.announce()
    sink.on_close(lambda: calls.append(1))
    sink.close()
    sink.close()
    sink.send({1, 2})  # not even encoded
    assert (outlet.notices, calls, sink.closed) == ([], [1], True)
    sink.on_close(lambda: calls.append(2))
    assert calls == [1, 2]


def test_connection_holds_the_limit_and_no_more_until_one_ends() -> None:
    table = SubscriptionTable(Recorder(), limit=2)
    first = open_sink(table)
    open_sink(table)
    with pytest.raises(RpcError) as caught:
        open_sink(table)
    assert (caught.value.code, caught.value.data) == (-32006, "Exceeded max limit of 2")
    first.close()
    open_sink(table)
    assert len(table) == 2


def test_subscription_is_ended_only_by_its_own_method_and_id() -> None:
    table = SubscriptionTable(Recorder())
    sink = open_sink(table)
    assert not table.close("state_subscribeStorage", sink.id)
    assert not table.close("chain_subscribeNewHeads", "other")
    assert table.close("chain_subscribeNewHeads", sink.id)
    assert not table.close("chain_subscribeNewHeads", sink.id)
    assert sink.closed


def test_end_of_the_connection_ends_all_subscriptions() -> None:
    table = SubscriptionTable(Recorder())
    sinks = [open_sink(table) for _ in range(3)]
    table.close_all()
    assert all(sink.closed for sink in sinks)
    assert len(table) == 0


def test_call_still_under_way_when_the_connection_ends_opens_no_subscription() -> None:
    table = SubscriptionTable(Recorder())
    table.close_all()
    with pytest.raises(RpcError, match="Internal error"):
        open_sink(table)
    assert len(table) == 0


def test_publisher_encodes_once_for_all_and_forgets_closed_sinks(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[object] = []

    def encode(value: object) -> bytes:
        encoded.append(value)
        return json.dumps(value).encode()

    monkeypatch.setattr(subscriptions, "encode", encode)
    outlet, feed = Recorder(), Publisher()
    table = SubscriptionTable(outlet)
    sinks = [open_sink(table) for _ in range(3)]
    for sink in sinks:
        sink.announce()
        feed.add(sink)
    feed.publish({"n": 1})
    assert (len(encoded), len(outlet.notices), len(feed)) == (1, 3, 3)
    sinks[1].close()
    feed.publish({"n": 2})
    assert (len(outlet.notices), len(feed)) == (5, 2)
    table.close_all()
    feed.publish({"n": 3})
    assert (len(encoded), len(feed)) == (2, 0)


def test_sink_that_closes_another_while_publishing_disturbs_nobody() -> None:
    outlet, feed = Recorder(), Publisher()
    table = SubscriptionTable(outlet)
    first, second, third = (open_sink(table) for _ in range(3))
    for sink in (first, second, third):
        sink.announce()
        feed.add(sink)
    first.on_close(second.close)
    first.close()
    feed.publish(1)
    assert [notice["subscription"] for notice in outlet.notices] == [third.id]
