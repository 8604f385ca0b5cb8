"""What load balancers are told: a node among others is ready with a peer and close to it."""

import json
from typing import cast

import pytest

from node.network.view import PeersView
from node.rpc.health import describe_health, make_health_pages


class Peers:
    """As much of a view as health asks for."""

    def __init__(self, count: int, *, is_syncing: bool) -> None:
        self.is_syncing = is_syncing
        self._count = count

    def connected(self) -> list[None]:
        return [None] * self._count


def view(count: int, *, is_syncing: bool) -> PeersView:
    return cast(PeersView, Peers(count, is_syncing=is_syncing))


@pytest.mark.parametrize(
    ("peers", "is_ready"),
    [
        (None, True),
        (view(0, is_syncing=False), False),
        (view(2, is_syncing=True), False),
        (view(2, is_syncing=False), True),
    ],
)
def test_node_is_ready_with_a_peer_and_not_far_behind(peers: PeersView | None, is_ready: bool) -> None:
    pages = make_health_pages(peers)
    page = pages["/health/readiness"]()
    assert page.status == (200 if is_ready else 500)
    assert json.loads(page.body) == {"ready": is_ready}
    assert pages["/health/live"]().status == 200
    shown = pages["/health"]()
    assert shown.status == 200
    assert json.loads(shown.body) == describe_health(peers)


def test_health_names_peers_and_syncing() -> None:
    assert describe_health(view(3, is_syncing=True)) == {
        "peers": 3,
        "isSyncing": True,
        "shouldHavePeers": True,
    }
    assert describe_health(None)["shouldHavePeers"] is False
