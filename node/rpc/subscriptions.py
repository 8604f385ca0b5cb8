"""Subscriptions: which a connection holds, how results reach it, what happens to a reader too slow.

A handler gets a Sink and keeps it, usually in a Publisher; `Sink.send` never waits. Notices made before the
subscribe call is answered are held back, so the client always learns the id first. Knows nothing of sockets;
a connection is an Outlet.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from node.rpc.jsonrpc import INTERNAL_ERROR, TOO_MANY_SUBSCRIPTIONS, RpcError, encode, encode_notice

MAX_SUBSCRIPTIONS: Final = 1024
MAX_COSTLY_SUBSCRIPTIONS: Final = 64
"""Of these, those for which something is worked out at every block."""
MAX_QUEUED_NOTICES: Final = 64


class Outlet(Protocol):
    """The sending side of a connection."""

    def push(self, notice: bytes) -> None:
        """Queue a notice without waiting; closes the connection when the queue is full."""
        ...

    def overflow(self) -> None:
        """Close the connection because its reader is too slow."""
        ...


class Sink:
    """One subscription of one client, as the node sees it: results go in until it is closed."""

    __slots__ = ("_closing", "_head", "_held", "_max_held", "_outlet", "_remove", "closed", "id")

    def __init__(
        self,
        subscription_id: str,
        head: bytes,
        outlet: Outlet,
        remove: Callable[[str], None],
        *,
        max_held: int,
    ) -> None:
        self.id = subscription_id
        self.closed = False
        self._head = head
        self._outlet = outlet
        self._remove = remove
        self._max_held = max_held
        self._held: list[bytes] | None = []
        self._closing: list[Callable[[], None]] = []

    def send(self, result: object) -> None:
        """Send one result; does nothing once closed."""
        if not self.closed:
            self.send_encoded(encode(result))

    def send_encoded(self, result: bytes) -> None:
        """Send one result that is JSON text already; does nothing once closed."""
        if self.closed:
            return
        notice = b"%b%b}}" % (self._head, result)
        if self._held is None:
            self._outlet.push(notice)
            return
        self._held.append(notice)
        if len(self._held) > self._max_held:
            self._outlet.overflow()

    def on_close(self, callback: Callable[[], None]) -> None:
        """Call back once when the subscription ends, whoever ends it; at once when it has ended."""
        if self.closed:
            callback()
        else:
            self._closing.append(callback)

    def announce(self) -> None:
        """Let notices flow; the server calls it when the subscribe call has been answered."""
        held, self._held = self._held, None
        for notice in held or ():
            self._outlet.push(notice)

    @contextmanager
    def closed_on_error(self) -> Iterator[None]:
        """End the subscription when what is done meanwhile fails."""
        try:
            yield
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the subscription from the node's side; notices already sent still arrive."""
        if self.closed:
            return
        self.closed = True
        self._remove(self.id)
        callbacks, self._closing = self._closing, []
        for callback in callbacks:
            callback()


class SubscriptionTable:
    """The subscriptions of one connection."""

    def __init__(
        self, outlet: Outlet, *, limit: int = MAX_SUBSCRIPTIONS, max_held: int = MAX_QUEUED_NOTICES
    ) -> None:
        self._outlet = outlet
        self._max_held = max_held
        self._limit = limit
        self._sinks: dict[str, tuple[str, Sink]] = {}
        self._costly: dict[str, None] = {}
        self._closed = False

    def open(self, name: str, notification: str, *, is_costly: bool = False) -> Sink:
        """Return a new sink for a subscription method; RpcError when the connection has too many."""
        if self._closed:
            raise RpcError(INTERNAL_ERROR, "Internal error", "the connection has ended")
        if len(self._sinks) >= self._limit:
            raise too_many(self._limit)
        if is_costly and len(self._costly) >= MAX_COSTLY_SUBSCRIPTIONS:
            raise too_many(MAX_COSTLY_SUBSCRIPTIONS)
        # Random, so that an id of a former connection or run cannot be mistaken for one of this.
        subscription_id = secrets.token_hex(8)
        head = encode_notice(notification, subscription_id)
        sink = Sink(subscription_id, head, self._outlet, self._forget, max_held=self._max_held)
        self._sinks[subscription_id] = (name, sink)
        if is_costly:
            self._costly[subscription_id] = None
        return sink

    def close(self, name: str, subscription_id: str) -> bool:
        """End one subscription of method `name`; False when there is none of that id."""
        owner, sink = self._sinks.get(subscription_id, ("", None))
        if sink is None or owner != name:
            return False
        sink.close()
        return True

    def close_all(self) -> None:
        """End all and open no more; called when the connection ends."""
        self._closed = True
        for _, sink in tuple(self._sinks.values()):
            sink.close()

    def __len__(self) -> int:
        return len(self._sinks)

    def _forget(self, subscription_id: str) -> None:
        self._sinks.pop(subscription_id, None)
        self._costly.pop(subscription_id, None)


def too_many(limit: int) -> RpcError:
    """Return the error of a subscription for which there is no room."""
    data = f"Exceeded max limit of {limit}"
    return RpcError(TOO_MANY_SUBSCRIPTIONS, "Too many subscriptions on the connection", data)


class Publisher:
    """A feed with many subscribers: a result is encoded once for all of them."""

    def __init__(self) -> None:
        self._sinks: dict[Sink, None] = {}

    def add(self, sink: Sink) -> None:
        """Subscribe a sink until it closes."""
        self._sinks[sink] = None
        sink.on_close(lambda: self._sinks.pop(sink, None))

    def publish(self, result: object) -> None:
        """Send one result to all."""
        if self._sinks:
            self.publish_encoded(encode(result))

    @contextmanager
    def closed_on_error(self) -> Iterator[None]:
        """End all subscriptions when what is done meanwhile fails."""
        try:
            yield
        except BaseException:
            for sink in tuple(self._sinks):
                sink.close()
            raise

    def publish_encoded(self, result: bytes) -> None:
        """Send one result that is JSON text already to all."""
        for sink in tuple(self._sinks):
            sink.send_encoded(result)

    def __len__(self) -> int:
        return len(self._sinks)
