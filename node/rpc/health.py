"""How well a node is: the pages that load balancers ask, and the numbers of `system_health`.

It must not know what makes a node fall behind; the view of its peers says so.
"""

from __future__ import annotations

from collections.abc import Callable

import orjson

from node.network.view import PeersView
from node.rpc.server import Page


def describe_health(peers: PeersView | None) -> dict[str, object]:
    """Return how many peers there are and whether the node is catching up; None is a chain without a
    network."""
    if peers is None:
        return {"peers": 0, "isSyncing": False, "shouldHavePeers": False}
    return {"peers": len(peers.connected()), "isSyncing": peers.is_syncing, "shouldHavePeers": True}


def is_ready(peers: PeersView | None) -> bool:
    """Tell whether what the node answers is of the present, as far as it can know."""
    return peers is None or (bool(peers.connected()) and not peers.is_syncing)


def make_health_pages(peers: PeersView | None) -> dict[str, Callable[[], Page]]:
    """Return the health pages; status 500 stands for a node that is not ready, as in Substrate."""

    def readiness() -> Page:
        ready = is_ready(peers)
        return Page(200 if ready else 500, orjson.dumps({"ready": ready}))

    return {
        "/health": lambda: Page(200, orjson.dumps(describe_health(peers))),
        "/health/readiness": readiness,
        "/health/live": lambda: Page(200, b'{"live":true}'),
    }
