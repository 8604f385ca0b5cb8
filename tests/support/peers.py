"""Peers without sockets: a network that notes what a node sends, and answers as the test says."""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from msgspec import structs

from node.chain.chain import Chain
from node.network.errors import Penalty, RequestRefusedError
from node.network.handlers import PeerInfo
from node.network.identity import PeerId
from node.network.messages import (
    BlockData,
    BlocksRequest,
    BlocksResponse,
    Message,
    RefusalCode,
    RequestBody,
    ResponseBody,
    Status,
)
from node.network.slots import Direction
from runtime.primitives.certificate import (
    STEP_COMMIT,
    Certificate,
    IndexedVote,
    decode_certificate,
    encode_certificate,
    vote_message,
)
from runtime.primitives.crypto import Keypair, Scheme
from tests.support.network import NAMES
from tests.support.node_chain import make_block

VOTERS = tuple(Keypair.from_uri(f"//{name}", Scheme.ED25519) for name in NAMES)
Answer = Callable[[RequestBody], ResponseBody | None]


class Sent(NamedTuple):
    peer: PeerId
    message: Message


class FakeNetwork:
    """What the exchange needs of a network; tests speak for the peers."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.reports: list[tuple[PeerId, Penalty]] = []
        self.asked: list[tuple[PeerId, RequestBody]] = []
        self.answers: dict[PeerId, Answer] = {}
        self.addresses = ()
        self._messages: dict[type, Callable[[PeerId, Any], None]] = {}
        self.requests: dict[type, Callable[[PeerId, Any], Awaitable[Any]]] = {}
        self._connected: list[Callable[[PeerInfo], None]] = []
        self._disconnected: list[Callable[[PeerId], None]] = []
        self._peers: dict[PeerId, PeerInfo] = {}

    # --- as the exchange sees it

    def on_message(self, record: type, handler: Callable[[PeerId, Any], None]) -> None:
        self._messages[record] = handler

    def on_request(self, record: type, handler: Callable[[PeerId, Any], Awaitable[Any]]) -> None:
        self.requests[record] = handler

    def on_connected(self, handler: Callable[[PeerInfo], None]) -> None:
        self._connected.append(handler)

    def on_disconnected(self, handler: Callable[[PeerId], None]) -> None:
        self._disconnected.append(handler)

    def send(self, peer: PeerId, message: Message) -> bool:
        self.sent.append(Sent(peer, message))
        return True

    def broadcast(self, message: Message, except_peer: PeerId | None = None) -> int:
        told = [peer for peer in self._peers if peer != except_peer]
        self.sent += [Sent(peer, message) for peer in told]
        return len(told)

    async def request(self, peer: PeerId, body: RequestBody, timeout_s: float) -> ResponseBody:
        assert timeout_s > 0
        self.asked.append((peer, body))
        answer = self.answers[peer](body)
        if answer is None:
            raise RequestRefusedError(RefusalCode.UNKNOWN)
        return answer

    def report(self, peer: PeerId, penalty: Penalty) -> None:
        self.reports.append((peer, penalty))

    def peers(self) -> list[PeerInfo]:
        return list(self._peers.values())

    # --- as the test sees it

    def connect(self, name: str, status: Status, answer: Answer = lambda _: None) -> PeerId:
        """Let a peer come; it answers requests as told, None is a refusal."""
        peer = PeerId(name)
        self.answers[peer] = answer
        info = PeerInfo(peer, Direction.INBOUND, "127.0.0.1", "", status, None, 0, False, 0)
        self._peers[peer] = info
        for handler in self._connected:
            handler(info)
        return peer

    def disconnect(self, peer: PeerId) -> None:
        del self._peers[peer]
        for handler in self._disconnected:
            handler(peer)

    def say(self, peer: PeerId, message: Message) -> None:
        """Let a peer say something."""
        self._messages[type(message)](peer, message)

    def heard_by(self, peer: PeerId, record: type) -> list[Any]:
        """Return what a peer was sent of one kind."""
        return [sent.message for sent in self.sent if sent.peer == peer and type(sent.message) is record]


def certify_by(
    chain: Chain, number: int, block_hash: bytes, voters: tuple[int, ...] = (0, 1, 2)
) -> Certificate:
    """Return the certificate of some of the local preset's validators for a block."""
    wanted = Certificate(0, number, number, 0, block_hash, ())  # type: ignore[arg-type]  # it is a hash
    message = vote_message(chain.genesis_hash, wanted, STEP_COMMIT)
    votes = tuple(IndexedVote(index, VOTERS[index].sign(message)) for index in voters)
    return Certificate(0, number, number, 0, block_hash, votes)  # type: ignore[arg-type]  # it is a hash


async def grow(chain: Chain, blocks: int) -> None:
    """Make and finalize so many blocks, as the local preset's validators would."""
    for _ in range(blocks):
        info = make_block(chain).info
        await chain.finalize(certify_by(chain, info.number, info.hash))


def describe_blocks(
    chain: Chain, first: int, last: int, spoil: Callable[[BlockData], BlockData] = lambda data: data
) -> list[BlockData]:
    """Return final blocks as peers send them, each spoiled as told."""
    found: list[BlockData] = []
    for number in range(first, last + 1):
        block_hash = chain.hash_at(number)
        assert block_hash is not None
        raw, certificate = chain.store.header(block_hash), chain.certificate(block_hash)
        assert certificate is not None
        data = BlockData(block_hash, raw, chain.store.body(block_hash), encode_certificate(certificate))
        found.append(spoil(data))
    return found


def serving(chain: Chain, spoil: Callable[[BlockData], BlockData] = lambda data: data) -> Any:
    """Answer for a chain as an honest peer does, or with every block spoiled."""

    def answer(body: RequestBody) -> BlocksResponse | None:
        assert isinstance(body, BlocksRequest)
        assert isinstance(body.start, int)
        last = min(body.start + body.count - 1, chain.finalized.number)
        return BlocksResponse(tuple(describe_blocks(chain, body.start, last, spoil)))

    return answer


def too_few_votes(data: BlockData) -> BlockData:
    """Take a vote out of a block's certificate."""
    assert data.justification is not None
    found = decode_certificate(data.justification)
    return structs.replace(
        data, justification=encode_certificate(structs.replace(found, votes=found.votes[:2]))
    )
