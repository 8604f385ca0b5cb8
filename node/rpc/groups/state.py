"""`state_*`: storage, proofs, metadata, runtime version and calls, at any block whose state is kept."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

from node.chain.events import NewBest
from node.chain.views import Closable
from node.rpc.groups.context import CLIENT_ERROR, ChainContext, hex_of, translated, version_json
from node.rpc.jsonrpc import RpcError
from node.rpc.methods import method, subscription
from node.rpc.params import Bound, Hash32, StorageKey
from node.rpc.subscriptions import Publisher, Sink
from runtime.frame.api import RefusedQuestion, UnknownApi
from runtime.primitives.hashing import blake2_256
from runtime.primitives.scale import DecodeError, codec
from runtime.primitives.types import Hash

PAGE_MAX = 1000
KEYS_MAX = 1000
PAIRS_MAX = 1000
BLOCKS_MAX = 256
LIMIT_ERROR = 4002


class StateMethods:
    """The methods of one chain."""

    def __init__(self, context: ChainContext) -> None:
        self._context = context
        self._chain = context.chain
        self._versions = Publisher()
        self._last_version = context.chain.api.version
        self._storage: dict[Sink, dict[bytes, bytes | None]] = {}
        context.chain.on_best(self._on_best)

    @method("state_getStorage", aliases=["state_getStorageAt"])
    def storage(self, key: bytes, hash: Hash32 | None = None) -> str | None:  # noqa: A002  # Substrate's name
        """Value under a storage key at a block, null when absent."""
        value = self._value(key, hash)
        return None if value is None else hex_of(value)

    @method("state_getStorageHash", aliases=["state_getStorageHashAt"])
    def storage_hash(self, key: bytes, hash: Hash32 | None = None) -> str | None:  # noqa: A002  # Substrate's name
        """Blake2b-256 hash of the value under a storage key, null when absent."""
        value = self._value(key, hash)
        return None if value is None else hex_of(blake2_256(value))

    @method("state_getStorageSize", aliases=["state_getStorageSizeAt"])
    def storage_size(self, key: bytes, hash: Hash32 | None = None) -> int | None:  # noqa: A002  # Substrate's name
        """Length of the value under a storage key in bytes, null when absent."""
        value = self._value(key, hash)
        return None if value is None else len(value)

    @method("state_getKeysPaged", aliases=["state_getKeysPagedAt"])
    def keys_paged(
        self,
        prefix: bytes | None,
        count: int,
        start_key: bytes | None = None,
        hash: Hash32 | None = None,  # noqa: A002  # Substrate's name
    ) -> list[str]:
        """Up to 1000 keys with a prefix, ascending, strictly after `startKey`."""
        if count > PAGE_MAX:
            raise RpcError(LIMIT_ERROR, f"count exceeds maximum value. value: {count}, max: {PAGE_MAX}")
        with self._context.state(hash) as view:
            return [hex_of(key) for key in islice(view.keys(prefix or b"", start_key), count)]

    @method("state_getKeys")
    def keys(self, prefix: bytes, hash: Hash32 | None = None) -> list[str]:  # noqa: A002  # Substrate's name
        """The keys with a prefix; refused when there are more than 1000: use `state_getKeysPaged`."""
        return [hex_of(key) for key, _ in self._pairs(prefix, hash)]

    @method("state_getPairs", unsafe=True)
    def pairs(self, prefix: bytes, hash: Hash32 | None = None) -> list[list[str]]:  # noqa: A002  # Substrate's name
        """The keys with a prefix and their values; refused when there are more than 1000."""
        return [[hex_of(key), hex_of(value)] for key, value in self._pairs(prefix, hash)]

    @method("state_queryStorageAt")
    def query_storage_at(
        self,
        keys: Annotated[list[StorageKey], Bound(KEYS_MAX)],
        at: Hash32 | None = None,
    ) -> list[dict[str, object]]:
        """Values of several keys at one block; one entry for each key, its text as it was sent."""
        block = self._context.resolve(at)
        with self._context.state(at) as view:
            changes = [[key.text, _shown(view.get(key.data))] for key in keys]
        return [{"block": hex_of(block), "changes": changes}]

    @method("state_queryStorage", unsafe=True)
    def query_storage(
        self,
        keys: Annotated[list[StorageKey], Bound(KEYS_MAX)],
        from_block: Hash32,
        to_block: Hash32 | None = None,
    ) -> list[dict[str, object]]:
        """Changes of several keys over a range of at most 256 blocks, oldest first."""
        with translated(from_block):
            blocks = self._range(Hash(from_block), self._context.resolve(to_block))
        answer: list[dict[str, object]] = []
        last: dict[str, str | None] = {}
        for block in blocks:
            with self._context.state(block) as view:
                values = {key.text: _shown(view.get(key.data)) for key in keys}
            changed = [[t, v] for t, v in values.items() if t not in last or last[t] != v]
            if changed:
                answer.append({"block": hex_of(block), "changes": changed})
            last = values
        return answer

    @method("state_getReadProof")
    async def read_proof(
        self,
        keys: Annotated[list[bytes], Bound(KEYS_MAX)],
        hash: Hash32 | None = None,  # noqa: A002  # Substrate's name
    ) -> dict[str, object]:
        """One state tree proof for each key, in order, of presence or absence; the root is the header's."""
        async with self._context.author.lock:
            block = self._context.resolve(hash)
            with translated(hash):
                tree = self._chain.tree_at(block)
            with self._context.state(block) as view:
                proofs = [hex_of(tree.prove(key, view.get(key))) for key in keys]
        return {"at": hex_of(block), "proof": proofs}

    @method("state_getMetadata")
    def metadata(self, hash: Hash32 | None = None) -> str:  # noqa: A002  # Substrate's name
        """Metadata, version 14, of the runtime at a block."""
        with self._context.runtime(hash) as api:
            raw: bytes = codec(bytes).decode(api.call("Metadata_metadata", b""))
        return hex_of(raw)

    @method("state_getRuntimeVersion", aliases=["chain_getRuntimeVersion"])
    def runtime_version(self, hash: Hash32 | None = None) -> dict[str, object]:  # noqa: A002  # Substrate's name
        """Version of the runtime at a block."""
        if hash is None:
            return version_json(self._chain.api.version)
        with self._context.runtime(hash) as api:
            return version_json(api.version)

    @method("state_call", aliases=["state_callAt"])
    def call(self, name: str, data: bytes, hash: Hash32 | None = None) -> str:  # noqa: A002  # Substrate's name
        """Result of a runtime function, SCALE in and out."""
        with self._context.runtime(hash) as api:
            try:
                return hex_of(api.call(name, data))
            except UnknownApi as error:
                text = f"Exported method {name} is not found"
                raise RpcError(CLIENT_ERROR, f"Client error: Execution failed: Other: {text}") from error
            except (DecodeError, RefusedQuestion) as error:
                text = f"Client error: Execution failed: Bad input data provided to {name}: {error}"
                raise RpcError(CLIENT_ERROR, text) from error

    @subscription(
        "state_subscribeRuntimeVersion",
        aliases=["chain_subscribeRuntimeVersion"],
        unsubscribe=["state_unsubscribeRuntimeVersion", "chain_unsubscribeRuntimeVersion"],
        notification="state_runtimeVersion",
    )
    def subscribe_runtime_version(self, sink: Sink) -> None:
        """The runtime's version now, then each new one."""
        sink.send(version_json(self._chain.api.version))
        self._versions.add(sink)

    @subscription(
        "state_subscribeStorage",
        unsubscribe=["state_unsubscribeStorage"],
        notification="state_storage",
    )
    def subscribe_storage(self, sink: Sink, keys: Annotated[list[bytes], Bound(KEYS_MAX)]) -> None:
        """The values of keys now, then those that change."""
        with self._context.state(None) as view:
            values = {key: view.get(key) for key in keys}
        self._storage[sink] = values
        sink.on_close(lambda: self._forget(sink))
        sink.send(_change_set(self._chain.head.hash, values))

    def _forget(self, sink: Sink) -> None:
        self._storage.pop(sink, None)

    def _value(self, key: bytes, at: bytes | None) -> bytes | None:
        with self._context.state(at) as view:
            return view.get(key)

    def _pairs(self, prefix: bytes, at: bytes | None) -> list[tuple[bytes, bytes]]:
        with self._context.state(at) as view:
            keys = list(islice(view.keys(prefix), PAIRS_MAX + 1))
            if len(keys) > PAIRS_MAX:
                raise RpcError(LIMIT_ERROR, f"more than {PAIRS_MAX} keys; use state_getKeysPaged")
            return [(key, value) for key in keys if (value := view.get(key)) is not None]

    def _range(self, first: Hash, last: Hash) -> list[Hash]:
        blocks = [last]
        while blocks[-1] != first:
            header = self._chain.header(blocks[-1])
            if header is None or header.number == 0 or len(blocks) >= BLOCKS_MAX:
                raise RpcError(CLIENT_ERROR, f"Client error: the range is no chain of {BLOCKS_MAX} blocks")
            blocks.append(header.parent_hash)
        return blocks[::-1]

    def _on_best(self, best: NewBest) -> None:
        if self._chain.api.version != self._last_version:
            self._last_version = self._chain.api.version
            self._versions.publish(version_json(self._last_version))
        if self._storage:
            with self._context.state(best.info.hash) as view:
                self._publish_storage(view, best)

    def _publish_storage(self, view: Closable, best: NewBest) -> None:
        layer = self._chain.changes_of(best.info.hash)
        is_next = len(best.enacted) == 1 and not best.retracted
        for sink, known in tuple(self._storage.items()):
            changed: dict[bytes, bytes | None] = {}
            for key, last in known.items():
                if key in layer or not is_next:
                    value = view.get(key)
                    if value != last:
                        changed[key] = value
            if changed:
                known.update(changed)
                sink.send(_change_set(best.info.hash, changed))


def _change_set(block: Hash, values: dict[bytes, bytes | None]) -> dict[str, object]:
    return {"block": hex_of(block), "changes": [[hex_of(k), _shown(v)] for k, v in values.items()]}


def _shown(value: bytes | None) -> str | None:
    return None if value is None else hex_of(value)
