"""Honest nodes over real sockets: they find each other, talk, ask, and come back."""

import asyncio
from pathlib import Path

import pytest

from node.network.errors import (
    PeerGoneError,
    Penalty,
    RemoteError,
    RequestRefusedError,
    RequestTimeoutError,
    TooManyRequestsError,
)
from node.network.identity import PeerId
from node.network.messages import (
    ADDRESSES_MAX,
    AGENT_MAX,
    BlockData,
    BlockRequest,
    BlockResponse,
    BlocksRequest,
    BlocksResponse,
    Consensus,
    PeersRequest,
    Refusal,
    RefusalCode,
    StateRequest,
    StateResponse,
    Status,
    Transactions,
)
from node.network.peer_store import PEER_ADDRESSES_MAX
from node.network.requests import REQUESTS_MAX
from node.network.service import SERVED_MAX, Network
from node.network.slots import Direction, Link, SlotLimits
from node.network.subnets import LOOPBACK
from tests.node.network.peers import make_address, make_peer
from tests.node.network.running import (
    get_score,
    has_peer,
    hurry,
    is_connected,
    make_status,
    wait_until,
    world,
)

pytestmark = pytest.mark.net
HASH = bytes(32)
MIB = 1024 * 1024


class Heard:
    """Notes what one network is told."""

    def __init__(self) -> None:
        self.messages: list[tuple[PeerId, object]] = []
        self.events: list[tuple[str, PeerId]] = []

    def attend(self, network: Network) -> None:
        for record in (Consensus, Transactions, Status):
            network.on_message(record, self.note)
        network.on_connected(lambda info: self.events.append(("connected", info.peer)))
        network.on_disconnected(lambda peer: self.events.append(("disconnected", peer)))

    def note(self, peer: PeerId, message: object) -> None:
        self.messages.append((peer, message))


async def test_two_nodes_connect_and_know_each_other() -> None:
    heard = Heard()
    async with world() as made:
        bob = await made.start(2, agent="bob", prepare=heard.attend)
        alice = await made.start(1, agent="alice", bootnodes=bob.addresses)
        await wait_until(lambda: is_connected(alice, bob))
        (info,) = alice.peers()
        assert (info.peer, info.direction, info.agent) == (bob.peer, Direction.OUTBOUND, "bob")
        assert info.status == make_status(2)
        assert info.host == "127.0.0.1"
        assert not info.is_reserved
        (info,) = bob.peers()
        assert (info.peer, info.direction, info.agent) == (alice.peer, Direction.INBOUND, "alice")
        assert heard.events == [("connected", alice.peer)]
        assert str(bob.addresses[0]).endswith(f"/ws/p2p/{bob.peer}")
    assert heard.events == [("connected", alice.peer), ("disconnected", alice.peer)]


async def test_public_addresses_and_a_long_agent_are_told_within_limits() -> None:
    public = tuple(make_address(0, f"10.9.{number}.1") for number in range(ADDRESSES_MAX + 1))
    async with world() as made:
        bob = await made.start(2)
        alice = await made.start(1, bootnodes=bob.addresses, public_addresses=public, agent="a" * 100)
        await wait_until(lambda: is_connected(alice, bob))
        assert bob.peers()[0].agent == "a" * AGENT_MAX
        known = bob._book._store.get_addresses(alice.peer)
        assert known == tuple(address._replace(peer=alice.peer) for address in public)[:PEER_ADDRESSES_MAX]


async def test_loopback_addresses_are_told_to_loopback_alone() -> None:
    async with world() as made:
        bob = await made.start(2)
        alice = await made.start(1, bootnodes=bob.addresses)
        await wait_until(lambda: is_connected(alice, bob))
        asker = make_peer(7)
        assert bob._list_addresses(Link(asker, Direction.INBOUND, LOOPBACK)) == (str(alice.addresses[0]),)
        assert bob._list_addresses(Link(asker, Direction.INBOUND, "8.8.8.0/24")) == ()
        assert bob._list_addresses(Link(alice.peer, Direction.INBOUND, LOOPBACK)) == ()


async def test_messages_arrive_in_order_and_by_type() -> None:
    heard = Heard()
    async with world() as made:
        bob = await made.start(2, prepare=heard.attend)
        alice = await made.start(1, bootnodes=bob.addresses)
        await wait_until(lambda: is_connected(alice, bob))
        votes = [Consensus(number.to_bytes(2, "big")) for number in range(300)]
        for vote in votes:
            assert alice.send(bob.peer, vote)
        alice.send(bob.peer, Transactions((b"t" * MIB,)))
        alice.send(bob.peer, make_status(9))
        await wait_until(lambda: len(heard.messages) == 302)
        assert [message for _, message in heard.messages if isinstance(message, Consensus)] == votes
        assert {peer for peer, _ in heard.messages} == {alice.peer}
        assert bob.peers()[0].status == make_status(9)
        received, sent = bob.count_traffic()
        assert received > MIB
        assert sent > 0
        assert not alice.send(alice.peer, votes[0])


async def test_a_broadcast_goes_to_all_but_one() -> None:
    heard = [Heard(), Heard()]
    async with world() as made:
        hub = await made.start(1)
        others = [
            await made.start(
                2 + i, prepare=heard[i].attend, reserved=hub.addresses, slots=SlotLimits(outbound=0)
            )
            for i in range(2)
        ]
        await wait_until(lambda: all(is_connected(hub, other) for other in others))
        assert hub.broadcast(Consensus(b"all")) == 2
        assert hub.broadcast(Consensus(b"one"), except_peer=others[0].peer) == 1
        await wait_until(lambda: len(heard[1].messages) == 2)
        assert heard[0].messages == [(hub.peer, Consensus(b"all"))]


def serve_everything(network: Network) -> None:
    async def serve_blocks(_: PeerId, body: BlocksRequest) -> BlocksResponse | Refusal:
        if body.start == HASH:
            return Refusal(RefusalCode.UNKNOWN)
        return BlocksResponse((BlockData(HASH, b"h", (bytes(MIB - 16),) * 8, b"j"),))

    async def serve_state(peer: PeerId, body: StateRequest) -> StateResponse:
        match body.count:
            case 1:
                raise RemoteError("asked for nonsense", Penalty.SAME_REQUEST)
            case 2:
                raise KeyError(peer)
            case 3:
                await asyncio.sleep(3600)
            case 5:
                return StateResponse(((b"k", bytes(4 * MIB)),) * 4, b"")
            case _:
                pass
        return StateResponse(((body.start, b"v"),), b"proof")

    network.on_request(BlocksRequest, serve_blocks)
    network.on_request(StateRequest, serve_state)


async def test_requests_are_answered_by_their_handlers() -> None:
    async with world() as made:
        bob = await made.start(2, prepare=serve_everything)
        alice = await made.start(1, bootnodes=bob.addresses)
        await wait_until(lambda: is_connected(alice, bob))
        blocks = await alice.request(bob.peer, BlocksRequest(1, 1, 7), 20)
        assert blocks.blocks[0].body == (bytes(MIB - 16),) * 8
        state = await alice.request(bob.peer, StateRequest(HASH, HASH, 9), 20)
        assert state == StateResponse(((HASH, b"v"),), b"proof")
        peers = await bob.request(alice.peer, PeersRequest(32), 20)
        assert peers.addresses == ()


async def test_refusals_have_their_reasons() -> None:
    async with world() as made:
        bob = await made.start(2, prepare=serve_everything, timing=hurry(serving_s=0.2))
        alice = await made.start(1, bootnodes=bob.addresses)
        await wait_until(lambda: is_connected(alice, bob))
        for body, code in (
            (BlockRequest(HASH, 1), RefusalCode.UNSUPPORTED),
            (BlocksRequest(HASH, 1, 1), RefusalCode.UNKNOWN),
            (StateRequest(HASH, HASH, 2), RefusalCode.FAILED),
            (StateRequest(HASH, HASH, 3), RefusalCode.BUSY),
            (StateRequest(HASH, HASH, 5), RefusalCode.FAILED),  # 16 MiB and a little
        ):
            with pytest.raises(RequestRefusedError) as caught:
                await alice.request(bob.peer, body, 20)
            assert caught.value.code == code
        assert get_score(bob, alice.peer) == 0
        assert is_connected(alice, bob)


async def test_a_request_that_the_handler_resents_costs_the_asker() -> None:
    async with world() as made:
        bob = await made.start(2, prepare=serve_everything)
        alice = await made.start(1, bootnodes=bob.addresses)
        await wait_until(lambda: is_connected(alice, bob))
        with pytest.raises((PeerGoneError, RequestRefusedError)):
            await alice.request(bob.peer, StateRequest(HASH, HASH, 1), 20)
        await wait_until(lambda: not has_peer(bob, alice.peer))
        assert get_score(bob, alice.peer) < -(2**30)


async def test_a_request_without_an_answer_times_out_and_costs() -> None:
    async with world() as made:
        bob = await made.start(2, prepare=serve_everything)
        alice = await made.start(1, bootnodes=bob.addresses)
        await wait_until(lambda: is_connected(alice, bob))
        with pytest.raises(RequestTimeoutError):
            await alice.request(bob.peer, StateRequest(HASH, HASH, 3), 0.1)
        assert get_score(alice, bob.peer) == Penalty.TIMEOUT.change
        blocks = await alice.request(bob.peer, StateRequest(HASH, HASH, 4), 20)
        assert blocks.proof == b"proof"


async def test_a_late_response_is_nobodys_fault() -> None:
    gate = asyncio.Event()

    def prepare(network: Network) -> None:
        async def serve(_: PeerId, __: BlockRequest) -> BlockResponse:
            await gate.wait()
            return BlockResponse(BlockData(HASH, None, None, None))

        network.on_request(BlockRequest, serve)

    async with world() as made:
        bob = await made.start(2, prepare=prepare)
        alice = await made.start(1, bootnodes=bob.addresses)
        await wait_until(lambda: is_connected(alice, bob))
        with pytest.raises(RequestTimeoutError):
            await alice.request(bob.peer, BlockRequest(HASH, 1), 0.05)
        gate.set()
        assert (await alice.request(bob.peer, BlockRequest(HASH, 1), 20)).block.hash == HASH
        assert get_score(alice, bob.peer) == Penalty.TIMEOUT.change


async def test_a_peer_that_answers_nothing_is_asked_no_more_than_sixteen_times() -> None:
    async with world() as made:
        bob = await made.start(2)
        stranger = await made.visit(bob, 9)
        for _ in range(REQUESTS_MAX):
            with pytest.raises(RequestTimeoutError):
                await bob.request(stranger.peer, BlockRequest(HASH, 1), 0)
        with pytest.raises(TooManyRequestsError):
            await bob.request(stranger.peer, BlockRequest(HASH, 1), 0)


async def test_requests_fail_when_the_peer_goes() -> None:
    async with world() as made:
        bob = await made.start(2)
        stranger = await made.visit(bob, 9)
        asking = bob.request(stranger.peer, BlockRequest(HASH, 1), 20)
        answer, _ = await asyncio.gather(asking, stranger.socket.close(), return_exceptions=True)
        assert isinstance(answer, PeerGoneError)
        with pytest.raises(PeerGoneError, match="not connected"):
            await bob.request(stranger.peer, BlockRequest(HASH, 1), 20)


@pytest.mark.slow
async def test_more_requests_than_are_served_at_once_are_refused_as_busy() -> None:
    async with world() as made:
        bob = await made.start(2, prepare=serve_everything)
        alice = await made.start(1, bootnodes=bob.addresses)
        await wait_until(lambda: is_connected(alice, bob))
        bodies = [StateRequest(HASH, HASH, 3)] * SERVED_MAX + [StateRequest(HASH, HASH, 4)]
        asked = [alice.request(bob.peer, body, 1) for body in bodies]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(answer) for answer in answers] == [
            *[RequestTimeoutError] * SERVED_MAX,
            RequestRefusedError,
        ]


async def test_a_handler_that_fails_disturbs_nobody() -> None:
    heard = Heard()

    def prepare(network: Network) -> None:
        network.on_message(Consensus, fail)
        network.on_connected(lambda _: fail())
        network.on_disconnected(lambda _: fail())
        heard.attend(network)

    def fail(*_: object) -> None:
        raise KeyError("planted")

    async with world() as made:
        bob = await made.start(2, prepare=prepare)
        alice = await made.start(1, bootnodes=bob.addresses)
        await wait_until(lambda: is_connected(alice, bob))
        alice.send(bob.peer, Consensus(b"v"))
        await wait_until(lambda: heard.messages)
        assert is_connected(alice, bob)
        bob.disconnect(alice.peer, "test")
        await wait_until(lambda: len(heard.events) == 3)


async def test_a_handler_can_blame_the_peer() -> None:
    def resent(peer: PeerId, message: Consensus) -> None:
        if message.data == b"mild":
            raise RemoteError("a fork", None)
        raise RemoteError("a lie", Penalty.BAD_BLOCK)

    async with world() as made:
        bob = await made.start(2, prepare=lambda network: network.on_message(Consensus, resent))
        stranger = await made.visit(bob, 9)
        for data in (b"mild", b"lie", b"lie"):
            await stranger.send(Consensus(data))
        await wait_until(lambda: get_score(bob, stranger.peer) < -(2**29))
        assert has_peer(bob, stranger.peer)
        await stranger.send(Consensus(b"lie"))
        assert await stranger.is_cut()
        assert not has_peer(bob, stranger.peer)


@pytest.mark.parametrize("attempt", range(5))
async def test_nodes_that_dial_each_other_keep_one_and_the_same_connection(attempt: int) -> None:
    async with world() as made:
        one, other = await made.start(1 + attempt), await made.start(11)
        one.add_reserved(other.addresses[0])
        other.add_reserved(one.addresses[0])
        await wait_until(lambda: is_connected(one, other))
        await asyncio.sleep(0.1)
        await wait_until(lambda: is_connected(one, other))
        directions = {one.peers()[0].direction, other.peers()[0].direction}
        assert directions == {Direction.INBOUND, Direction.OUTBOUND}
        assert len(one.peers()) == len(other.peers()) == 1
        assert one.send(other.peer, Consensus(b"v"))
        assert (await one.request(other.peer, PeersRequest(1), 20)).addresses == ()


async def test_a_node_with_one_bootnode_finds_the_others() -> None:
    async with world() as made:
        boot = await made.start(1)
        others = [await made.start(number, bootnodes=boot.addresses) for number in range(2, 6)]
        everybody = [boot, *others]
        await wait_until(lambda: all(len(network.peers()) == 4 for network in everybody))


async def test_a_full_node_names_others() -> None:
    async with world() as made:
        boot = await made.start(1, slots=SlotLimits(inbound=1))
        first = await made.start(2, bootnodes=boot.addresses)
        await wait_until(lambda: is_connected(boot, first))
        second = await made.start(3, bootnodes=boot.addresses)
        await wait_until(lambda: is_connected(second, first))
        assert not has_peer(boot, second.peer)


async def test_reserved_nodes_are_let_in_when_the_node_is_full() -> None:
    async with world() as made:
        hub = await made.start(1, slots=SlotLimits(inbound=0, outbound=0))
        friend = await made.start(2, reserved=hub.addresses)
        await asyncio.sleep(0.2)
        assert hub.peers() == []
        hub.add_reserved(friend.addresses[0])
        await wait_until(lambda: is_connected(hub, friend))
        assert hub.peers()[0].is_reserved
        assert hub.reserved() == (friend.peer,)


async def test_reserved_only_keeps_everybody_else_out() -> None:
    async with world() as made:
        friend = await made.start(2)
        hub = await made.start(1, slots=SlotLimits(reserved_only=True), reserved=friend.addresses)
        await wait_until(lambda: is_connected(hub, friend))
        stranger = await made.start(3, bootnodes=hub.addresses)
        await asyncio.sleep(0.3)
        assert [info.peer for info in hub.peers()] == [friend.peer]
        hub.remove_reserved(friend.peer)
        await wait_until(lambda: hub.peers() == [])
        await asyncio.sleep(0.2)
        assert hub.peers() == []
        assert not has_peer(stranger, hub.peer)


async def test_a_reserved_node_is_redialled_when_it_comes_back() -> None:
    heard = Heard()
    async with world() as made:
        alice = await made.start(1, prepare=heard.attend)
        async with world() as elsewhere:
            bob = await elsewhere.start(2)
            address = bob.addresses[0]
            alice.add_reserved(address)
            await wait_until(lambda: is_connected(alice, bob))
        await wait_until(lambda: alice.peers() == [])
        await asyncio.sleep(0.3)
        bob = await made.start(2, listen=(address,))
        await wait_until(lambda: is_connected(alice, bob))
        assert [event for event, _ in heard.events] == ["connected", "disconnected", "connected"]


@pytest.mark.slow
async def test_dials_that_fail_wait_longer_and_longer() -> None:
    accepted = 0

    async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal accepted
        accepted += 1
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, world() as made:
        timing = hurry(backoff_s=0.1, backoff_max_s=60)
        await made.start(1, timing=timing, reserved=(make_address(2, "127.0.0.1", port),))
        await asyncio.sleep(1.0)
        assert 2 <= accepted <= 4  # at 0, 0.1, 0.3 and 0.7 s


async def test_peers_are_remembered_over_a_restart(tmp_path: Path) -> None:
    async with world() as made:
        bob = await made.start(2)
        async with world() as before:
            alice = await before.start(1, bootnodes=bob.addresses, path=tmp_path / "peers")
            await wait_until(lambda: is_connected(alice, bob))
        alice = await made.start(1, path=tmp_path / "peers")
        await wait_until(lambda: is_connected(alice, bob))


async def test_bans_are_remembered_over_a_restart(tmp_path: Path) -> None:
    async with world() as made:
        bob = await made.start(2)
        async with world() as before:
            alice = await before.start(1, bootnodes=bob.addresses, path=tmp_path / "peers")
            await wait_until(lambda: is_connected(alice, bob))
            alice.report(bob.peer, Penalty.WRONG_GENESIS)
            assert alice.peers() == []
        alice = await made.start(1, bootnodes=bob.addresses, path=tmp_path / "peers")
        await asyncio.sleep(0.3)
        assert alice.peers() == []
        assert get_score(alice, bob.peer) < -(2**30)
        alice.add_reserved(bob.addresses[0])
        await wait_until(lambda: is_connected(alice, bob))


async def test_the_store_is_written_while_the_node_runs(tmp_path: Path) -> None:
    async with world() as made:
        bob = await made.start(2)
        alice = await made.start(
            1, bootnodes=bob.addresses, path=tmp_path / "peers", timing=hurry(saving_s=0.05)
        )
        await wait_until(lambda: is_connected(alice, bob))
        await wait_until((tmp_path / "peers").exists)


async def test_pings_measure_the_way() -> None:
    async with world() as made:
        bob = await made.start(2)
        alice = await made.start(1, bootnodes=bob.addresses, timing=hurry(ping_s=0.1))
        await wait_until(lambda: alice.peers() and alice.peers()[0].latency_ms is not None)
        assert 0 <= (alice.peers()[0].latency_ms or 0) < 20_000


async def test_a_port_in_use_is_an_os_error() -> None:
    async with world() as made:
        alice = await made.start(1)
        with pytest.raises(OSError, match="in use"):
            await made.start(2, listen=alice.addresses)


async def test_networks_of_two_chains_live_in_one_process() -> None:
    async with world() as made:
        one, two = await made.start(1), await made.start(2, genesis=bytes(32))
        peers = [
            await made.start(3, bootnodes=one.addresses),
            await made.start(4, genesis=bytes(32), bootnodes=two.addresses),
        ]
        await wait_until(lambda: is_connected(one, peers[0]) and is_connected(two, peers[1]))
        assert len(one.peers()) == len(two.peers()) == 1


async def test_a_vote_overtakes_a_long_response() -> None:
    order: list[str] = []

    def prepare(network: Network) -> None:
        async def serve(peer: PeerId, __: BlocksRequest) -> BlocksResponse:
            asyncio.get_running_loop().call_later(0, network.send, peer, Consensus(b"v"))
            return BlocksResponse((BlockData(HASH, b"h", (bytes(MIB - 16),) * 15, None),))

        network.on_request(BlocksRequest, serve)

    def note(_: PeerId, __: Consensus) -> None:
        order.append("vote")

    async with world() as made:
        bob = await made.start(2, prepare=prepare)
        alice = await made.start(
            1, bootnodes=bob.addresses, prepare=lambda network: network.on_message(Consensus, note)
        )
        await wait_until(lambda: is_connected(alice, bob))
        await alice.request(bob.peer, BlocksRequest(1, 1, 7), 20)
        order.append("blocks")
        assert order == ["vote", "blocks"]
