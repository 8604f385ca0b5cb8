"""The requests one peer has not answered yet, each with whoever waits for it.

Ids are never reused in a connection. A request that timed out keeps its place until its late response comes,
so a peer that answers nothing is soon asked nothing. It must not know how requests travel.
"""

import asyncio
from typing import Final, NamedTuple

from node.network.errors import (
    PeerGoneError,
    Penalty,
    RemoteError,
    RequestRefusedError,
    TooManyRequestsError,
)
from node.network.messages import RESPONSE_SIZES, RESPONSES, Refusal, RequestBody, Response, ResponseBody

REQUESTS_MAX: Final = 16
IDS_MAX: Final = 2**32


class Asked(NamedTuple):
    """A request without its response; `waiter` is done when nobody waits any more."""

    record: type[ResponseBody]
    size_max: int
    waiter: asyncio.Future[ResponseBody]


class PendingRequests:
    """The open requests of one connection."""

    def __init__(self) -> None:
        self._asked: dict[int, Asked] = {}
        self._next_id = 0

    def get_size_max(self) -> int:
        """Return how long a response may be now; 0 where none is expected."""
        return max((asked.size_max for asked in self._asked.values()), default=0)

    def add(self, body: RequestBody, waiter: asyncio.Future[ResponseBody]) -> int:
        """Return the id of a new request; raises TooManyRequestsError."""
        if len(self._asked) >= REQUESTS_MAX or self._next_id >= IDS_MAX:
            raise TooManyRequestsError
        number = self._next_id
        self._next_id += 1
        self._asked[number] = Asked(RESPONSES[type(body)], RESPONSE_SIZES[type(body)], waiter)
        return number

    def drop(self, number: int) -> None:
        """Forget a request that was never sent."""
        self._asked.pop(number, None)

    def settle(self, response: Response) -> None:
        """Give a response to whoever waits; raises RemoteError where it fits no request."""
        asked = self._asked.pop(response.id, None)
        if asked is None:
            raise RemoteError("answered what nobody asked", Penalty.NOT_REQUESTED)
        body, waiter = response.body, asked.waiter
        if isinstance(body, Refusal):
            if not waiter.done():
                waiter.set_exception(RequestRefusedError(body.code))
            return
        if not isinstance(body, asked.record):
            if not waiter.done():
                waiter.set_exception(PeerGoneError("the peer gave a response of another kind"))
            raise RemoteError("gave a response of another kind", Penalty.BAD_MESSAGE)
        if not waiter.done():
            waiter.set_result(body)

    def fail_all(self) -> None:
        """Tell everybody that the peer is gone."""
        for asked in self._asked.values():
            if not asked.waiter.done():
                asked.waiter.set_exception(PeerGoneError("the peer went before it answered"))
        self._asked.clear()
