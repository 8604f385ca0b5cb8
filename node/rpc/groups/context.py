"""What the method groups share: the chain and its companions, and the forms in which JSON shows blocks.

Responsible for the translation of local failures into Substrate's error codes. It knows no transport.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from node.authoring.author import Author
from node.authoring.intake import Intake
from node.chain.chain import Chain
from node.chain.errors import UnknownBlock
from node.chain.views import Closable
from node.network.view import PeersView
from node.rpc.jsonrpc import RpcError
from node.storage.states import StateDiscarded
from node.telemetry.levels import LogFilter
from runtime.frame.runtime import RuntimeVersion
from runtime.frame.runtime_api import RuntimeApi
from runtime.primitives.block import Block, Header, encode_digest_item
from runtime.primitives.certificate import ENGINE_ID
from runtime.primitives.types import Hash

CLIENT_ERROR = 4003


@dataclass(frozen=True, slots=True)
class ChainContext:
    """One chain as its RPC methods see it."""

    name: str
    id: str
    chain_type: str | Mapping[str, Any]
    properties: Mapping[str, Any]
    node_name: str
    node_version: str
    peer_id: str
    chain: Chain
    intake: Intake
    author: Author
    finalize: Callable[[Hash], Awaitable[None]]
    is_authority: bool
    is_dev: bool
    peers: PeersView | None = None
    """The chain's network; None where the node is alone."""
    started_at: int = 0
    """The number of the best block when the node started."""
    log_filter: LogFilter | None = None
    """The rules of the log when they may be changed."""
    in_block_s: float = 0.0
    """How long who watches a transaction sees it in a block before it sees that final, at least."""

    def resolve(self, at: bytes | None) -> Hash:
        """Return the hash asked for, the head's when none was given."""
        return self.chain.head.hash if at is None else Hash(at)

    @contextmanager
    def state(self, at: bytes | None) -> Iterator[Closable]:
        """Lend the state after a block."""
        with translated(at):
            view = self.chain.view(self.resolve(at))
        try:
            yield view
        finally:
            view.close()

    @contextmanager
    def runtime(self, at: bytes | None) -> Iterator[RuntimeApi]:
        """Lend a runtime that stands on the state after a block."""
        with translated(at), self.chain.runtime_at(self.resolve(at)) as api:
            yield api


@contextmanager
def translated(at: bytes | None) -> Iterator[None]:
    """Turn the absence of a block or of its state into the errors that clients parse."""
    shown = "the best block" if at is None else hex_of(at)
    try:
        yield
    except UnknownBlock as error:
        raise RpcError(CLIENT_ERROR, f"Client error: UnknownBlock: Header was not found: {shown}") from error
    except StateDiscarded as error:
        text = f"Client error: Api called for an unknown Block: State already discarded for {shown}"
        raise RpcError(CLIENT_ERROR, text, str(error)) from error


def hex_of(data: bytes) -> str:
    """Return 0x and lower-case hex digits."""
    return "0x" + data.hex()


def header_json(header: Header) -> dict[str, object]:
    """Return a header as JSON-RPC shows it."""
    return {
        "parentHash": hex_of(header.parent_hash),
        "number": hex(header.number),
        "stateRoot": hex_of(header.state_root),
        "extrinsicsRoot": hex_of(header.extrinsics_root),
        "digest": {"logs": [hex_of(encode_digest_item(item)) for item in header.digest.logs]},
    }


def block_json(block: Block, certificate: bytes | None) -> dict[str, object]:
    """Return a signed block as JSON-RPC shows it."""
    justifications = None if certificate is None else [[list(ENGINE_ID), list(certificate)]]
    return {
        "block": {
            "header": header_json(block.header),
            "extrinsics": [hex_of(extrinsic) for extrinsic in block.extrinsics],
        },
        "justifications": justifications,
    }


def version_json(version: RuntimeVersion) -> dict[str, object]:
    """Return a runtime version as JSON-RPC shows it."""
    return {
        "specName": version.spec_name,
        "implName": version.impl_name,
        "authoringVersion": version.authoring_version,
        "specVersion": version.spec_version,
        "implVersion": version.impl_version,
        "apis": [[hex_of(api), number] for api, number in version.apis],
        "transactionVersion": version.transaction_version,
        "systemVersion": version.system_version,
        "stateVersion": version.system_version,
    }
