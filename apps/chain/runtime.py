"""One version of a chain's runtime as its metadata describes it: calls, storage keys, events, errors by name.

Responsible for bytes only; which block they belong to, and how they travel, is `client.py`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from apps.chain.dynamic import TypeCodecs
from apps.chain.errors import UnknownName
from apps.chain.metadata import Metadata, Pallet, StorageItem
from apps.chain.values import Encoded, Value, Variant
from runtime.primitives.hashing import (
    blake2_128,
    blake2_128_concat,
    blake2_256,
    identity,
    twox64_concat,
    twox128,
    twox256,
)
from runtime.primitives.metadata import ApiMethodMetadata, StorageHasher
from runtime.primitives.scale import DecodeError, EncodeError

PREFIX_LENGTH: Final = 32
"""Bytes of a storage key that name pallet and item."""
_HASHERS: Final[dict[StorageHasher, Callable[[bytes], bytes]]] = {
    StorageHasher.Blake2_128: blake2_128,
    StorageHasher.Blake2_256: blake2_256,
    StorageHasher.Blake2_128Concat: blake2_128_concat,
    StorageHasher.Twox128: twox128,
    StorageHasher.Twox256: twox256,
    StorageHasher.Twox64Concat: twox64_concat,
    StorageHasher.Identity: identity,
}
_HASH_LENGTHS: Final = {
    StorageHasher.Blake2_128: 16,
    StorageHasher.Blake2_256: 32,
    StorageHasher.Blake2_128Concat: 16,
    StorageHasher.Twox128: 16,
    StorageHasher.Twox256: 32,
    StorageHasher.Twox64Concat: 8,
    StorageHasher.Identity: 0,
}
_REVERSIBLE: Final = frozenset(
    {StorageHasher.Blake2_128Concat, StorageHasher.Twox64Concat, StorageHasher.Identity}
)


class Version(NamedTuple):
    """What a signature commits to besides the chain."""

    spec_version: int
    transaction_version: int


class EventRecord(NamedTuple):
    """An event; `extrinsic` is the index in its block of the one that caused it, None for the block's own."""

    extrinsic: int | None
    pallet: str
    name: str
    value: Value


class DispatchFailure(NamedTuple):
    """Why a call failed: the error's name, and its pallet where it is a pallet's."""

    pallet: str | None
    name: str
    docs: str

    def __str__(self) -> str:
        return self.name if self.pallet is None else f"{self.pallet}.{self.name}"


class Runtime:
    """Everything that a program may ask of one version of the runtime."""

    def __init__(self, metadata: Metadata, version: Version) -> None:
        self.metadata = metadata
        self.version = version
        self.codecs = TypeCodecs(metadata.types)

    def pallet(self, name: str) -> Pallet:
        """Return what metadata says of a pallet; UnknownName."""
        found = self.metadata.pallets.get(name)
        if found is None:
            raise UnknownName(f"there is no pallet {name}")
        return found

    def constant(self, pallet: str, name: str) -> Value:
        """Return the value of a constant."""
        found = self.pallet(pallet).constants.get(name)
        if found is None:
            raise UnknownName(f"{pallet} has no constant {name}")
        return self.codecs.decode(found.type, found.value)

    def call(self, pallet: str, name: str, /, **arguments: Value) -> Encoded:
        """Return a call, to be signed or given as an argument; EncodeError when arguments do not fit."""
        found = self.pallet(pallet).calls.get(name)
        if found is None:
            raise UnknownName(f"{pallet} has no call {name}")
        value = arguments or None
        try:
            body = self.codecs.fields(found.fields).encode(value)
        except EncodeError as error:
            raise EncodeError(f"{pallet}.{name}: {error}") from error
        return Encoded(self.metadata.call, bytes([self.pallet(pallet).index, found.index]) + body)

    def decode_call(self, data: bytes) -> tuple[str, str, Value]:
        """Return pallet, name and arguments of a call; DecodeError."""
        outer = self.codecs.decode(self.metadata.call, data)
        return outer.name, outer.value.name, outer.value.value

    # --- storage

    def storage_item(self, pallet: str, name: str) -> StorageItem:
        """Return what metadata says of a storage item; UnknownName."""
        found = self.pallet(pallet).storage.get(name)
        if found is None:
            raise UnknownName(f"{pallet} has no storage item {name}")
        return found

    def storage_key(self, pallet: str, name: str, *keys: Value) -> bytes:
        """Return the key of an entry, or with fewer keys the prefix of all entries that begin with them."""
        item = self.storage_item(pallet, name)
        if len(keys) > len(item.keys):
            raise EncodeError(f"{pallet}.{name} has {len(item.keys)} keys, got {len(keys)}")
        prefix = twox128(self.pallet(pallet).prefix.encode()) + twox128(name.encode())
        parts = zip(keys, item.keys, item.hashers, strict=False)
        return prefix + b"".join(_HASHERS[h](self.codecs.encode(type_id, key)) for key, type_id, h in parts)

    def decode_value(self, pallet: str, name: str, data: bytes | None) -> Value:
        """Return the value of an entry; for an absent one the default, or None if it has none."""
        item = self.storage_item(pallet, name)
        if data is None and item.is_optional:
            return None
        return self.codecs.decode(item.value, item.default if data is None else data)

    def decode_keys(self, pallet: str, name: str, key: bytes) -> tuple[Value, ...]:
        """Return the keys of an entry; None in the place of one whose hasher keeps nothing of it."""
        item = self.storage_item(pallet, name)
        found: list[Value] = []
        pos = PREFIX_LENGTH
        for hasher, type_id in zip(item.hashers, item.keys, strict=True):
            pos += _HASH_LENGTHS[hasher]
            if hasher in _REVERSIBLE:
                value, pos = self.codecs.decode_prefix(type_id, key, pos)
                found.append(value)
            else:
                found.append(None)
        if pos != len(key):
            raise DecodeError(f"a key of {pallet}.{name} has {len(key)} bytes, its parts have {pos}")
        return tuple(found)

    # --- events and errors

    def decode_events(self, data: bytes | None) -> tuple[EventRecord, ...]:
        """Return the events of a block from the value of `System.Events`."""
        return tuple(map(_event_record, self.decode_value("System", "Events", data)))

    def describe_failure(self, value: Value) -> DispatchFailure:
        """Return the name of a dispatch error, as `System.ExtrinsicFailed` and other events hold it."""
        if value.name != "Module":
            inner = value.value
            name = f"{value.name}.{inner.name}" if isinstance(inner, Variant) else value.name
            return DispatchFailure(None, name, "")
        index, code = value.value["index"], value.value["error"][0]
        pallet = self.metadata.pallet_at(index)
        error = None if pallet is None else pallet.errors.get(code)
        if pallet is None or error is None:
            return DispatchFailure(None if pallet is None else pallet.name, f"Module({index}, {code})", "")
        return DispatchFailure(pallet.name, error.name, "\n".join(error.docs))

    # --- runtime APIs

    def api(self, name: str, method: str) -> ApiMethodMetadata:
        """Return what metadata says of a function; UnknownName, also where metadata tells no functions."""
        found = self.metadata.apis.get(name, {}).get(method)
        if found is None:
            raise UnknownName(f"there is no function {method} of {name}")
        return found

    def encode_arguments(self, method: ApiMethodMetadata, arguments: tuple[Value, ...]) -> bytes:
        """Return the bytes of a function's arguments."""
        if len(arguments) != len(method.inputs):
            raise EncodeError(f"{method.name} takes {len(method.inputs)} arguments, got {len(arguments)}")
        pairs = zip(method.inputs, arguments, strict=True)
        return b"".join(self.codecs.encode(one.type, value) for one, value in pairs)


def _event_record(record: Value) -> EventRecord:
    phase, event = record["phase"], record["event"]
    extrinsic = phase.value if phase.name == "ApplyExtrinsic" else None
    return EventRecord(extrinsic, event.name, event.value.name, event.value.value)
