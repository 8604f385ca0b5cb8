"""`system_*` and `payment_*`: identity and health of the node, nonces, dry runs, fees."""

from __future__ import annotations

from typing import Annotated

from node.network.handlers import PeerInfo
from node.network.identity import PeerId, PeerIdError, parse_peer_id
from node.network.messages import Role
from node.network.multiaddr import MultiaddrError
from node.network.view import PeersView
from node.rpc.groups.context import CLIENT_ERROR, ChainContext, hex_of
from node.rpc.health import describe_health
from node.rpc.jsonrpc import INTERNAL_ERROR, INVALID_PARAMS, RpcError
from node.rpc.methods import method
from node.rpc.params import Account, Hash32
from node.telemetry.levels import FilterError, LogFilter, parse_filters
from runtime.frame.dispatch import DispatchClass, DispatchErrorValue, Weight
from runtime.frame.validity import TransactionError
from runtime.primitives.crypto import verify
from runtime.primitives.scale import DecodeError, Struct, UnitResultMark, codec, u32, u128


class _DispatchInfo(Struct):
    weight: Weight
    class_: DispatchClass
    partial_fee: u128


class _InclusionFee(Struct):
    base_fee: u128
    len_fee: u128
    adjusted_weight_fee: u128


class _FeeDetails(Struct):
    inclusion_fee: _InclusionFee | None
    tip: u128


def _peer_json(info: PeerInfo) -> dict[str, object]:
    return {
        "peerId": info.peer,
        "roles": "AUTHORITY" if info.status.roles & Role.AUTHORITY else "FULL",
        "bestHash": hex_of(info.status.best_hash),
        "bestNumber": info.status.best_number,
    }


_OUTCOME = codec(Annotated[DispatchErrorValue | None, UnitResultMark()])


class SystemMethods:
    """The methods of one chain."""

    def __init__(self, context: ChainContext) -> None:
        self._context = context

    @method("system_name")
    def name(self) -> str:
        """Name of the node's program."""
        return self._context.node_name

    @method("system_version")
    def version(self) -> str:
        """Version of the node's program."""
        return self._context.node_version

    @method("system_chain")
    def chain(self) -> str:
        """Name of the chain."""
        return self._context.name

    @method("system_chainType")
    def chain_type(self) -> object:
        """Type of the chain: Development, Local, Live or custom."""
        return self._context.chain_type

    @method("system_properties")
    def properties(self) -> object:
        """Token symbol and decimals, and the SS58 prefix."""
        return dict(self._context.properties)

    @method("system_health")
    def health(self) -> dict[str, object]:
        """Number of peers, and whether the node is syncing."""
        return describe_health(self._context.peers)

    @method("system_peers", unsafe=True)
    def peers(self) -> list[object]:
        """The connected peers."""
        peers = self._context.peers
        return [] if peers is None else [_peer_json(info) for info in peers.connected()]

    @method("system_reservedPeers")
    def reserved_peers(self) -> list[str]:
        """Peer ids of the reserved nodes, connected or not."""
        return list(self._network().reserved())

    @method("system_addReservedPeer", unsafe=True)
    def add_reserved_peer(self, peer: str) -> None:
        """Stay connected to the peer at a multiaddress that ends with its peer id."""
        try:
            self._network().add_reserved(peer)
        except MultiaddrError as error:
            raise RpcError(INVALID_PARAMS, f"Invalid params: {error}") from error

    @method("system_removeReservedPeer", unsafe=True)
    def remove_reserved_peer(self, peer_id: str) -> None:
        """Treat a reserved peer as any other."""
        try:
            parse_peer_id(peer_id)
        except PeerIdError as error:
            raise RpcError(INVALID_PARAMS, f"Invalid params: {error}") from error
        self._network().remove_reserved(PeerId(peer_id))

    @method("system_syncState")
    def sync_state(self) -> dict[str, object]:
        """Where the node started, stands, and is heading to."""
        number, peers = self._context.chain.head.number, self._context.peers
        highest = number if peers is None else max(number, peers.target)
        return {"startingBlock": self._context.started_at, "currentBlock": number, "highestBlock": highest}

    @method("system_nodeRoles")
    def roles(self) -> list[str]:
        """Roles of the node."""
        return ["Authority" if self._context.is_authority else "Full"]

    @method("system_localPeerId")
    def local_peer_id(self) -> str:
        """Peer id of the node's network key."""
        return self._context.peer_id

    @method("system_localListenAddresses")
    def listen_addresses(self) -> list[str]:
        """Addresses at which peers can reach the node."""
        return [] if self._context.peers is None else self._context.peers.addresses()

    @method("system_addLogFilter", unsafe=True)
    def add_log_filter(self, directives: str) -> None:
        """Show more or less of the log, by rules as `rpc=debug,sync=trace`; they add to those in force."""
        try:
            self._log_filter().add(parse_filters([directives]))
        except FilterError as error:
            raise RpcError(INVALID_PARAMS, f"Invalid params: {error}") from error

    @method("system_resetLogFilter", unsafe=True)
    def reset_log_filter(self) -> None:
        """Show of the log what the node was started with."""
        self._log_filter().reset()

    @method("system_accountNextIndex", aliases=["account_nextIndex"])
    def next_index(self, account: Account) -> int:
        """The next nonce of an account, its transactions in the pool counted."""
        with self._context.runtime(None) as api:
            nonce = int.from_bytes(api.call("AccountNonceApi_account_nonce", account), "little")
        return self._context.intake.pool.next_index(account, nonce)

    @method("system_dryRun", aliases=["system_dryRunAt"], unsafe=True)
    def dry_run(self, extrinsic: bytes, at: Hash32 | None = None) -> str:
        """Outcome of an extrinsic in a block after the given one: hex of an ApplyExtrinsicResult."""
        parent = self._context.chain.header(self._context.resolve(at))
        with self._context.runtime(at) as api:
            assert parent is not None, "a block with a state has a header"
            try:
                decoded = api.decode_extrinsic(extrinsic)
                api.initialize_block(parent.number + 1, self._context.resolve(at), ())
                if decoded.signer is not None and not verify(*api.signature_job(decoded)):
                    return "0x010004"
                return hex_of(b"\0" + _OUTCOME.encode(api.apply(decoded).error))
            except DecodeError as error:
                raise RpcError(1001, f"Extrinsic has invalid format: {error}") from error
            except TransactionError as error:
                return hex_of(b"\1" + error.encode())

    @method("payment_queryInfo")
    def query_info(self, extrinsic: bytes, hash: Hash32 | None = None) -> dict[str, object]:  # noqa: A002  # Substrate's name
        """Weight, class and fee of an extrinsic, whose signature may be a placeholder."""
        raw = self._fee_call("TransactionPaymentApi_query_info", extrinsic, hash)
        info: _DispatchInfo = codec(_DispatchInfo).decode(raw)
        return {
            "weight": info.weight.ref_time,
            "class": info.class_.name.lower(),
            "partialFee": str(info.partial_fee),
        }

    @method("payment_queryFeeDetails")
    def query_fee_details(self, extrinsic: bytes, hash: Hash32 | None = None) -> dict[str, object]:  # noqa: A002  # Substrate's name
        """The parts of the fee of an extrinsic, in hex."""
        raw = self._fee_call("TransactionPaymentApi_query_fee_details", extrinsic, hash)
        fee = codec(_FeeDetails).decode(raw).inclusion_fee
        if fee is None:
            return {"inclusionFee": None}
        return {
            "inclusionFee": {
                "baseFee": hex(fee.base_fee),
                "lenFee": hex(fee.len_fee),
                "adjustedWeightFee": hex(fee.adjusted_weight_fee),
            }
        }

    def _network(self) -> PeersView:
        if self._context.peers is None:
            raise RpcError(INTERNAL_ERROR, "Internal error", "this chain has one authority and no network")
        return self._context.peers

    def _log_filter(self) -> LogFilter:
        if self._context.log_filter is None:
            raise RpcError(
                INTERNAL_ERROR, "Internal error", "log rules are fixed; start with --enable-log-reloading"
            )
        return self._context.log_filter

    def _fee_call(self, name: str, extrinsic: bytes, at: bytes | None) -> bytes:
        with self._context.runtime(at) as api:
            try:
                return api.call(name, extrinsic + codec(u32).encode(len(extrinsic)))
            except DecodeError as error:
                raise RpcError(CLIENT_ERROR, f"Client error: Execution failed: {error}") from error
