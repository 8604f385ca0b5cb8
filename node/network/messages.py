"""What nodes say to one another: every kind of message with its form, its size and its rate.

Pure. Messages are msgpack arrays of fixed length in their one canonical form; whatever else arrives is a
`MessageError`, never another exception. The layer must not know what headers, transactions, votes and proofs
are: they are bytes here, and the names say who decodes them.

A change of any record here is a new `VERSION` of the handshake.
"""

from collections.abc import Mapping
from enum import IntEnum, IntFlag
from types import MappingProxyType
from typing import Annotated, Final, NamedTuple, TypeAlias, TypeVar

import msgspec

from node.network.errors import Penalty, RemoteError
from node.network.multiaddr import LENGTH_MAX

KIB: Final = 1024
MIB: Final = 1024 * KIB

HEADER_MAX: Final = 64 * KIB
CERTIFICATE_MAX: Final = 128 * KIB
TRANSACTION_MAX: Final = MIB
TRANSACTIONS_MAX: Final = 4096
CONSENSUS_MAX: Final = 512 * KIB
BLOCKS_MAX: Final = 128
"""Blocks in one response; Substrate's `MAX_BLOCKS_IN_RESPONSE`."""
BODIES_MAX: Final = 8 * MIB
"""Bytes of bodies in one response, after which it is cut; Substrate's `MAX_BODY_BYTES`."""
EXTRINSICS_MAX: Final = 65536
STATE_ENTRIES_MAX: Final = 4096
"""Entries in one response, which take some 10 ms to verify."""
STATE_BYTES_MAX: Final = MIB
"""Bytes of keys and values after which a response is cut, though never below one entry."""
STATE_KEY_MAX: Final = 4 * KIB
STATE_VALUE_MAX: Final = 15 * MIB
"""A response holds one such value alone; the events of a full block take a third of it."""
STATE_PROOF_MAX: Final = 63_874
"""More than any proof of a chunk has: `runtime.primitives.tree_range.RANGE_PROOF_BYTES_MAX`."""
FRAGMENTS_MAX: Final = 16
"""Certified headers in one response; their signatures are all checked by who asked."""
ADDRESSES_MAX: Final = 8
PEERS_MAX: Final = 32
AGENT_MAX: Final = 64
ENVELOPE_MAX: Final = 16
"""What msgpack adds to the one long field of a message."""


class MessageError(RemoteError):
    """The bytes are no message of their kind; no honest node sends such."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, Penalty.BAD_MESSAGE)


class Kind(IntEnum):
    """The kinds; the value is the first byte of a frame, below 128. Nobody has sent a 6 yet."""

    INTRODUCTION = 1
    GOODBYE = 2
    PING = 3
    PONG = 4
    STATUS = 5
    TRANSACTIONS = 7
    CONSENSUS = 8
    REQUEST = 9
    RESPONSE = 10


class Role(IntFlag):
    """What a node is; Substrate's bits."""

    FULL = 1
    LIGHT = 2
    AUTHORITY = 4


class BlockFields(IntFlag):
    """Which parts of blocks are asked for."""

    HEADER = 1
    BODY = 2
    JUSTIFICATION = 4


class GoodbyeReason(IntEnum):
    """Why a connection ends before it began."""

    FULL = 1
    RESERVED_ONLY = 2
    BANNED = 3
    DUPLICATE = 4


class RefusalCode(IntEnum):
    """Why a request has no response."""

    UNKNOWN = 1
    """The node does not have it: an unknown block, or a state that is pruned."""
    BUSY = 2
    UNSUPPORTED = 3
    FAILED = 4


U8 = Annotated[int, msgspec.Meta(ge=0, le=2**8 - 1)]
U16 = Annotated[int, msgspec.Meta(ge=0, le=2**16 - 1)]
U32 = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
HashBytes = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
Header = Annotated[bytes, msgspec.Meta(min_length=1, max_length=HEADER_MAX)]
Certificate = Annotated[bytes, msgspec.Meta(min_length=1, max_length=CERTIFICATE_MAX)]
Transaction = Annotated[bytes, msgspec.Meta(min_length=1, max_length=TRANSACTION_MAX)]
Address = Annotated[str, msgspec.Meta(min_length=1, max_length=LENGTH_MAX)]
StateKey = Annotated[bytes, msgspec.Meta(max_length=STATE_KEY_MAX)]
StateValue = Annotated[bytes, msgspec.Meta(max_length=STATE_VALUE_MAX)]


class Record(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The form of all: an array of exactly its fields."""


class Introduction(Record, frozen=True):
    """The first message of each side; `port` is where it listens, 0 if nowhere."""

    agent: Annotated[str, msgspec.Meta(max_length=AGENT_MAX)]
    port: U16
    addresses: Annotated[tuple[Address, ...], msgspec.Meta(max_length=ADDRESSES_MAX)]


class Goodbye(Record, frozen=True):
    """Instead of an introduction, or as the last message: why, and whom to try instead."""

    reason: U8
    addresses: Annotated[tuple[Address, ...], msgspec.Meta(max_length=PEERS_MAX)]


class Ping(Record, frozen=True):
    """Asks for a sign of life."""

    nonce: U32


class Pong(Record, frozen=True):
    """Gives it, with the nonce of the ping."""

    nonce: U32


class Status(Record, frozen=True):
    """Where a node stands; sent after the introduction and whenever it is worth telling."""

    roles: U8
    best_number: U32
    best_hash: HashBytes
    finalized_number: U32
    finalized_hash: HashBytes


class Transactions(Record, frozen=True):
    """Extrinsics that the sender holds valid."""

    transactions: Annotated[tuple[Transaction, ...], msgspec.Meta(min_length=1, max_length=TRANSACTIONS_MAX)]


class Consensus(Record, frozen=True):
    """A message of the engine."""

    data: Annotated[bytes, msgspec.Meta(min_length=1, max_length=CONSENSUS_MAX)]


class BlocksRequest(Record, frozen=True, tag=1):
    """Blocks from a number, or from a hash on the responder's best branch, ascending."""

    start: U32 | HashBytes
    count: Annotated[int, msgspec.Meta(ge=1, le=BLOCKS_MAX)]
    fields: Annotated[int, msgspec.Meta(ge=1, le=7)]


class BlockRequest(Record, frozen=True, tag=2):
    """One block by its hash, on whatever branch."""

    hash: HashBytes
    fields: Annotated[int, msgspec.Meta(ge=1, le=7)]


class StateRequest(Record, frozen=True, tag=3):
    """Storage entries of a final block's state, from a path on, in the order of paths."""

    block_hash: HashBytes
    start: HashBytes
    count: Annotated[int, msgspec.Meta(ge=1, le=STATE_ENTRIES_MAX)]


class PeersRequest(Record, frozen=True, tag=4):
    """Addresses of other nodes."""

    count: Annotated[int, msgspec.Meta(ge=1, le=PEERS_MAX)]


class WarpRequest(Record, frozen=True, tag=5):
    """What leads from the authorities after a final block to a later one whose state the responder serves."""

    start: U32


class BlockData(Record, frozen=True):
    """A block as far as it was asked for and is known."""

    hash: HashBytes
    header: Header | None
    body: Annotated[tuple[Transaction, ...], msgspec.Meta(max_length=EXTRINSICS_MAX)] | None
    justification: Certificate | None


class BlocksResponse(Record, frozen=True, tag=1):
    """A prefix of the blocks asked for: cut after 8 MiB of bodies, but never below one block."""

    blocks: Annotated[tuple[BlockData, ...], msgspec.Meta(max_length=BLOCKS_MAX)]


class BlockResponse(Record, frozen=True, tag=2):
    """The block asked for."""

    block: BlockData


class StateResponse(Record, frozen=True, tag=3):
    """All entries from the start to the last of these, in the order of paths, and a proof for the state root.

    Cut before the entry that would exceed the bytes of a response, but never below one entry.
    """

    entries: Annotated[tuple[tuple[StateKey, StateValue], ...], msgspec.Meta(max_length=STATE_ENTRIES_MAX)]
    proof: Annotated[bytes, msgspec.Meta(max_length=STATE_PROOF_MAX)]


class PeersResponse(Record, frozen=True, tag=4):
    """Addresses with peer ids."""

    addresses: Annotated[tuple[Address, ...], msgspec.Meta(max_length=PEERS_MAX)]


class WarpFragment(Record, frozen=True):
    """A header and its certificate."""

    header: Header
    certificate: Certificate


class WarpResponse(Record, frozen=True, tag=5):
    """The headers above the start that announce authorities, ascending, each certified.

    `is_complete`: the last one, whatever it announces, is of the block whose state is served; without
    fragments, none above the start is.
    """

    fragments: Annotated[tuple[WarpFragment, ...], msgspec.Meta(max_length=FRAGMENTS_MAX)]
    is_complete: bool


class Refusal(Record, frozen=True, tag=0):
    """No response, and why (`RefusalCode`; later versions may have more)."""

    code: U8


RequestBody: TypeAlias = BlocksRequest | BlockRequest | StateRequest | PeersRequest | WarpRequest
ResponseBody: TypeAlias = BlocksResponse | BlockResponse | StateResponse | PeersResponse | WarpResponse


class Request(Record, frozen=True):
    """A question; the id is the asker's, and never repeated in one connection."""

    id: U32
    body: RequestBody


class Response(Record, frozen=True):
    """The answer to the request with this id."""

    id: U32
    body: ResponseBody | Refusal


Message: TypeAlias = (
    Introduction | Goodbye | Ping | Pong | Status | Transactions | Consensus | Request | Response
)
AnyMessage = TypeVar("AnyMessage", bound=Message)


class Rule(NamedTuple):
    """What one peer may send of a kind: bytes of one message, messages and bytes a minute."""

    record: type[Message]
    size_max: int
    count_per_minute: int
    bytes_per_minute: int


# A minute's worth may come at once. Votes: 100 validators at three steps a second, from a relay.
RULES: Final = MappingProxyType(
    {
        Kind.INTRODUCTION: Rule(Introduction, 8 * KIB, 1, 8 * KIB),
        Kind.GOODBYE: Rule(Goodbye, 32 * KIB, 1, 32 * KIB),
        Kind.PING: Rule(Ping, 16, 60, KIB),
        Kind.PONG: Rule(Pong, 16, 60, KIB),
        Kind.STATUS: Rule(Status, 256, 300, 75 * KIB),
        Kind.TRANSACTIONS: Rule(Transactions, 2 * MIB, 6000, 128 * MIB),
        Kind.CONSENSUS: Rule(Consensus, CONSENSUS_MAX + ENVELOPE_MAX, 18_000, 64 * MIB),
        Kind.REQUEST: Rule(Request, 2 * KIB, 600, 600 * KIB),
        Kind.RESPONSE: Rule(Response, 16 * MIB, 1200, 1024 * MIB),
    }
)

RESPONSES: Final[Mapping[type[RequestBody], type[ResponseBody]]] = MappingProxyType(
    {
        BlocksRequest: BlocksResponse,
        BlockRequest: BlockResponse,
        StateRequest: StateResponse,
        PeersRequest: PeersResponse,
        WarpRequest: WarpResponse,
    }
)
"""Which response answers which request."""

_KINDS: Final = MappingProxyType({rule.record: kind for kind, rule in RULES.items()})
_DECODERS: Final = MappingProxyType(
    {kind: msgspec.msgpack.Decoder(rule.record, strict=True) for kind, rule in RULES.items()}
)
RESPONSE_SIZES: Final[Mapping[type[RequestBody], int]] = MappingProxyType(
    {
        BlocksRequest: 16 * MIB,
        BlockRequest: 16 * MIB,
        StateRequest: 16 * MIB,
        PeersRequest: 32 * KIB,
        WarpRequest: 4 * MIB,
    }
)
"""How long the response to a request may be: who was asked for addresses need not keep room for blocks."""

_ENCODER: Final = msgspec.msgpack.Encoder()


def get_kind(record: type[Message]) -> Kind:
    """Return the kind of a type of message."""
    return _KINDS[record]


def encode_message(message: Message) -> bytes:
    """Return the bytes of a message that keeps its limits; asserts that it does."""
    data = encode_if_short(message)
    assert data is not None, "the message is too long"
    return data


def encode_if_short(message: Message) -> bytes | None:
    """Return the bytes of a message, None where they exceed the size of its kind."""
    data = _ENCODER.encode(message)
    return data if len(data) <= RULES[get_kind(type(message))].size_max else None


def decode_message(kind: Kind, data: bytes) -> Message:
    """Return the message of this kind that exactly these bytes encode; raises MessageError."""
    rule = RULES[kind]
    if len(data) > rule.size_max:
        raise MessageError(f"{kind.name.lower()} has at most {rule.size_max} bytes, not {len(data)}")
    try:
        message: Message = _DECODERS[kind].decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MessageError(f"{kind.name.lower()}: {error}") from error
    if _ENCODER.encode(message) != data:
        raise MessageError(f"{kind.name.lower()} is not in its canonical form")
    return message


def cut_blocks(blocks: tuple[BlockData, ...]) -> tuple[BlockData, ...]:
    """Return the longest prefix whose bodies keep the limit of a response, but at least one block."""
    total = 0
    for index, block in enumerate(blocks):
        total += sum(map(len, block.body or ()))
        if total > BODIES_MAX and index:
            return blocks[:index]
    return blocks
