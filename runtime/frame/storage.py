"""Storage items: typed access to the state under Substrate's keys.

Responsible for `Value`, `Map`, `DoubleMap`, `NMap` and `CountedMap`: decoding on first touch, one journal
entry for each write, iteration in key order. A raw key is twox128(pallet prefix) ‖ twox128(item) ‖
hasher(key)…. It knows no particular pallet. Declared in a pallet with an annotation and `storage(...)`,
bound to a state at composition.

Every entry that was touched has an `Entry`, whose value is None where the entry is absent; `get` then answers
the declared default, or None for an item whose value type is optional.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Generic, NamedTuple, TypeVar

from runtime.frame.state import Entry, State, Undecoded
from runtime.primitives.hashing import (
    blake2_128,
    blake2_128_concat,
    blake2_256,
    identity,
    twox64_concat,
    twox128,
    twox256,
)
from runtime.primitives.scale import Codec, codec

K = TypeVar("K")
K1 = TypeVar("K1")
K2 = TypeVar("K2")
V = TypeVar("V")


class Hasher(NamedTuple):
    """A storage hasher: its metadata variant, its function, and how many bytes precede the plain key (or
    None)."""

    name: str
    variant: int
    function: Callable[[bytes], bytes]
    skip: int | None


BLAKE2_128 = Hasher("Blake2_128", 0, blake2_128, None)
BLAKE2_256 = Hasher("Blake2_256", 1, blake2_256, None)
BLAKE2_128_CONCAT = Hasher("Blake2_128Concat", 2, blake2_128_concat, 16)
TWOX_128 = Hasher("Twox128", 3, twox128, None)
TWOX_256 = Hasher("Twox256", 4, twox256, None)
TWOX_64_CONCAT = Hasher("Twox64Concat", 5, twox64_concat, 8)
IDENTITY = Hasher("Identity", 6, identity, 0)


class StorageDeclaration(NamedTuple):
    """What `storage(...)` says about an item beside its annotation."""

    hashers: tuple[Hasher, ...]
    default: Any
    raw_key: bytes | None
    docs: str
    name: str | None
    bound: str = ""


def storage(
    *hashers: Hasher,
    default: Any = None,
    raw_key: bytes | None = None,
    docs: str = "",
    name: str | None = None,
    bound: str = "",
) -> Any:
    """Declare a storage item in a pallet's class body.

    One hasher for each key. `default` makes the item answer that value when absent; `raw_key` places a
    value under a well-known key such as `:code`, outside the pallet's prefix and its metadata; `name` is
    the item's name in metadata, by default the attribute in CamelCase; `bound` says what limits the size of a
    value where its type does not.
    """
    return StorageDeclaration(hashers, default, raw_key, docs, name, bound)


class Cursor(NamedTuple):
    """Where a bounded clearing stopped: raw key of the last removed entry."""

    key: bytes


class Cleared(NamedTuple):
    """Outcome of a bounded clearing: how many entries went, and where to go on (None: nothing is left)."""

    removed: int
    cursor: Cursor | None


class Item(Generic[V]):
    """What every storage item shares: its place in the state, its live values and their codec."""

    __slots__ = (
        "aged",
        "codec",
        "default",
        "encode_value",
        "live",
        "name",
        "pallet",
        "prefix",
        "state",
        "written",
    )

    def __init__(
        self, state: State, place: tuple[str, str], prefix: bytes, codec: Codec[V], default: Any
    ) -> None:
        self.state = state
        self.pallet, self.name = place
        self.prefix = prefix
        self.codec = codec
        self.default = default
        self.encode_value = codec.encode
        self.live: dict[Any, Entry] = {}
        self.aged: dict[Any, Entry] = {}
        self.written: list[Entry] = []
        state.register(self)

    def raw_key(self, node: Any) -> bytes:
        """Return the raw storage key of an entry."""
        raise NotImplementedError

    def load(self, node: Any) -> Entry:
        """Make an entry live that is not, taking it from the aged ones or decoding what is stored."""
        entry = self.aged.pop(node, None)
        if entry is None:
            key = self.raw_key(node)
            raw = self.state.backend.get(key)
            value = None if raw is None else self.codec.decode(raw)
            entry = Entry(node, key, raw, value)
        self.live[node] = entry
        return entry

    def read(self, node: Any) -> V | None:
        """Return the live value of an entry, None when absent; decoded on first touch."""
        entry = self.live.get(node) or self.load(node)
        return entry.value  # type: ignore[no-any-return]  # live values hold V or None

    def write(self, node: Any, value: V | None) -> None:
        """Set or (None) remove an entry, journalled."""
        entry = self.live.get(node) or self.load(node)
        old = entry.value
        state = self.state
        state.journal.append((entry, old))
        if not entry.written:
            entry.written = True
            if not self.written:
                state.touch(self)
            self.written.append(entry)
        entry.value = value

    def _translate(self, node: Any, convert: Callable[[bytes], V | None]) -> bool:
        """Replace stored bytes of an older type; tell whether there were any. Before the entry is read."""
        assert node not in self.live, f"{self.name} was read before its migration"
        assert node not in self.aged, f"{self.name} was read before its migration"
        key = self.raw_key(node)
        raw = self.state.backend.get(key)
        if raw is None:
            return False
        entry = Entry(node, key, raw, convert(raw))
        entry.written = True
        self.state.journal.append((entry, Undecoded(self)))
        if not self.written:
            self.state.touch(self)
        self.written.append(entry)
        self.live[node] = entry
        return True


class Value(Item[V]):
    """A single value."""

    __slots__ = ()

    def raw_key(self, node: Any) -> bytes:  # noqa: ARG002  # a value has one entry
        """Return the raw storage key."""
        return self.prefix

    def get(self) -> V:
        """Return the value, or the declared default when absent."""
        value = (self.live.get(None) or self.load(None)).value
        return self.default if value is None else value  # type: ignore[no-any-return]  # default is a V

    def put(self, value: V) -> None:
        """Set the value."""
        assert value is not None
        self.write(None, value)

    def exists(self) -> bool:
        """Tell whether a value is stored."""
        return self.read(None) is not None

    def kill(self) -> None:
        """Remove the value."""
        self.write(None, None)

    def take(self) -> V:
        """Remove the value and return it, or the default when absent."""
        value = self.get()
        self.write(None, None)
        return value

    def translate(self, old: Any, convert: Callable[[Any], V | None]) -> bool:
        """Convert a value stored as the annotation `old` by an earlier runtime version; None removes it.

        For migrations only: before anything reads the item. Return whether there was a value.
        """
        decode = codec(old).decode
        return self._translate(None, lambda raw: convert(decode(raw)))


class Keyed(Item[V]):
    """What maps share: raw keys with one hasher for each key, and iteration over a prefix in raw key
    order."""

    __slots__ = ("hashers", "key_codecs", "parts")

    def __init__(
        self,
        state: State,
        place: tuple[str, str],
        prefix: bytes,
        codec: Codec[V],
        default: Any,
        keys: tuple[tuple[Hasher, Codec[Any]], ...],
    ) -> None:
        super().__init__(state, place, prefix, codec, default)
        self.hashers = tuple(hasher for hasher, _ in keys)
        self.key_codecs = tuple(key_codec for _, key_codec in keys)
        self.parts = tuple((hasher.function, key_codec.encode) for hasher, key_codec in keys)

    def raw_prefix(self, *keys: Any) -> bytes:
        """Return the raw key prefix of the entries whose first keys are these."""
        raw = self.prefix
        for key, (hash_, encode) in zip(keys, self.parts, strict=False):
            raw += hash_(encode(key))
        return raw

    def decode_key(self, raw: bytes) -> tuple[Any, ...]:
        """Return the keys of an entry from its raw key; only for hashers that keep the plain key."""
        pos = len(self.prefix)
        keys: list[Any] = []
        for hasher, key_codec in zip(self.hashers, self.key_codecs, strict=True):
            assert hasher.skip is not None, f"{self.name} cannot be listed: {hasher.name} hides the key"
            key, pos = key_codec.decode_prefix(raw, pos + hasher.skip)
            keys.append(key)
        return tuple(keys)

    def raw_keys(self, prefix: bytes, after: bytes | None = None) -> Iterator[bytes]:
        """Yield the raw keys of existing entries under a prefix in ascending order, the open block
        included."""
        fresh: list[bytes] = []
        gone: dict[bytes, None] = {}
        for entry in self.written:
            raw = entry.key
            if entry.written and raw.startswith(prefix) and (after is None or raw > after):
                if entry.value is None:
                    gone[raw] = None
                else:
                    fresh.append(raw)
        fresh.sort()
        return _merge(fresh, gone, self.state.backend.keys(prefix, after))

    def node_of(self, raw: bytes) -> Any:
        """Return the Python key under which the live values keep an entry."""
        return self.decode_key(raw)

    def entries(self, prefix: bytes, after: bytes | None = None) -> Iterator[tuple[Any, V]]:
        """Yield (node, value) of existing entries under a prefix in raw key order."""
        for raw in self.raw_keys(prefix, after):
            node = self.node_of(raw)
            value = self.read(node)
            assert value is not None
            yield node, value

    def translate(self, old: Any, convert: Callable[[Any, Any], V | None]) -> int:
        """Convert every value stored as the annotation `old` by an earlier runtime version.

        For migrations only: before anything reads the item. `convert` gets the key (a tuple when there are
        several) and the old value; None removes the entry. Return how many entries there were.
        """
        decode = codec(old).decode
        listed = list(self.state.backend.keys(self.prefix))
        for raw_key in listed:
            node = self.node_of(raw_key)
            self._translate(node, lambda raw, node=node: convert(node, decode(raw)))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        return len(listed)

    def clear(self, prefix: bytes, limit: int, cursor: Cursor | None = None) -> Cleared:
        """Remove at most `limit` entries under a prefix in raw key order, going on after the cursor."""
        assert limit > 0
        removed: list[bytes] = []
        more = False
        for raw in self.raw_keys(prefix, None if cursor is None else cursor.key):
            if len(removed) == limit:
                more = True
                break
            removed.append(raw)
        for raw in removed:
            self.write(self.node_of(raw), None)
        return Cleared(len(removed), Cursor(removed[-1]) if more else None)


def _merge(fresh: list[bytes], gone: dict[bytes, None], committed: Iterator[bytes]) -> Iterator[bytes]:
    position = 0
    for raw in committed:
        while position < len(fresh) and fresh[position] < raw:
            yield fresh[position]
            position += 1
        if position < len(fresh) and fresh[position] == raw:
            position += 1
        if raw not in gone:
            yield raw
    yield from fresh[position:]


class Map(Keyed[V], Generic[K, V]):
    """One key to one value."""

    __slots__ = ()

    def raw_key(self, node: K) -> bytes:
        """Return the raw storage key of an entry."""
        hash_, encode = self.parts[0]
        return self.prefix + hash_(encode(node))

    def node_of(self, raw: bytes) -> Any:
        """Return the key of an entry."""
        return self.decode_key(raw)[0]

    def get(self, key: K) -> V:
        """Return the value under a key, or the declared default when absent."""
        value = (self.live.get(key) or self.load(key)).value
        return self.default if value is None else value  # type: ignore[no-any-return]  # default is a V

    def put(self, key: K, value: V) -> None:
        """Set the value under a key."""
        assert value is not None
        self.write(key, value)

    def contains(self, key: K) -> bool:
        """Tell whether a value is stored under a key."""
        return self.read(key) is not None

    def remove(self, key: K) -> None:
        """Remove the entry of a key, if any."""
        if self.read(key) is not None:
            self.write(key, None)

    def take(self, key: K) -> V:
        """Remove the entry of a key and return its value, or the default when absent."""
        value = self.get(key)
        self.remove(key)
        return value

    def items(self) -> Iterator[tuple[K, V]]:
        """Yield (key, value) in raw key order."""
        return self.entries(self.prefix)

    def clear_prefix(self, limit: int, cursor: Cursor | None = None) -> Cleared:
        """Remove at most `limit` entries in raw key order."""
        return self.clear(self.prefix, limit, cursor)


class DoubleMap(Keyed[V], Generic[K1, K2, V]):
    """Two keys to one value; all entries of a first key can be listed and cleared."""

    __slots__ = ("_last",)

    def __init__(
        self,
        state: State,
        place: tuple[str, str],
        prefix: bytes,
        codec: Codec[V],
        default: Any,
        keys: tuple[tuple[Hasher, Codec[Any]], ...],
    ) -> None:
        super().__init__(state, place, prefix, codec, default, keys)
        self._last: tuple[Any, bytes] = (None, b"")

    def raw_key(self, node: tuple[K1, K2]) -> bytes:
        """Return the raw storage key of an entry.

        Neighbouring calls often have their first key in common, so what the last one begins with is kept.
        """
        key1, key2 = node
        last, raw = self._last
        if last != key1:
            raw = self.raw_prefix(key1)
            self._last = (key1, raw)
        hash_, encode = self.parts[1]
        return raw + hash_(encode(key2))

    def get(self, key1: K1, key2: K2) -> V:
        """Return the value under two keys, or the declared default when absent."""
        value = self.read((key1, key2))
        return self.default if value is None else value

    def put(self, key1: K1, key2: K2, value: V) -> None:
        """Set the value under two keys."""
        assert value is not None
        self.write((key1, key2), value)

    def contains(self, key1: K1, key2: K2) -> bool:
        """Tell whether a value is stored under two keys."""
        return self.read((key1, key2)) is not None

    def remove(self, key1: K1, key2: K2) -> None:
        """Remove an entry, if any."""
        if self.read((key1, key2)) is not None:
            self.write((key1, key2), None)

    def take(self, key1: K1, key2: K2) -> V:
        """Remove an entry and return its value, or the default when absent."""
        value = self.get(key1, key2)
        self.remove(key1, key2)
        return value

    def items(self) -> Iterator[tuple[tuple[K1, K2], V]]:
        """Yield ((key1, key2), value) in raw key order."""
        return self.entries(self.prefix)

    def items_of(self, key1: K1) -> Iterator[tuple[K2, V]]:
        """Yield (key2, value) of a first key in raw key order."""
        for node, value in self.entries(self.raw_prefix(key1)):
            yield node[1], value

    def clear_prefix(self, key1: K1, limit: int, cursor: Cursor | None = None) -> Cleared:
        """Remove at most `limit` entries of a first key in raw key order."""
        return self.clear(self.raw_prefix(key1), limit, cursor)


class NMap(Keyed[V], Generic[K, V]):
    """A tuple of keys, one hasher each, to one value."""

    __slots__ = ()

    def raw_key(self, node: Any) -> bytes:
        """Return the raw storage key of an entry."""
        return self.raw_prefix(*node)

    def get(self, keys: K) -> V:
        """Return the value under a tuple of keys, or the declared default when absent."""
        value = self.read(keys)
        return self.default if value is None else value

    def put(self, keys: K, value: V) -> None:
        """Set the value under a tuple of keys."""
        assert value is not None
        self.write(keys, value)

    def contains(self, keys: K) -> bool:
        """Tell whether a value is stored under a tuple of keys."""
        return self.read(keys) is not None

    def remove(self, keys: K) -> None:
        """Remove an entry, if any."""
        if self.read(keys) is not None:
            self.write(keys, None)

    def items_of(self, *first_keys: Any) -> Iterator[tuple[K, V]]:
        """Yield (keys, value) of the entries that begin with these keys, in raw key order."""
        return self.entries(self.raw_prefix(*first_keys))

    def clear_prefix(self, first_keys: tuple[Any, ...], limit: int, cursor: Cursor | None = None) -> Cleared:
        """Remove at most `limit` entries that begin with these keys in raw key order."""
        return self.clear(self.raw_prefix(*first_keys), limit, cursor)


class CountedMap(Map[K, V]):
    """A map that keeps the number of its entries under `CounterFor…`."""

    __slots__ = ("counter",)

    counter: Value[int]

    def write(self, node: Any, value: V | None) -> None:
        """Set or (None) remove an entry and keep the count, journalled."""
        old = self.read(node)
        if (old is None) != (value is None):
            self.counter.put(self.counter.get() + (1 if old is None else -1))
        super().write(node, value)

    def translate(self, old: Any, convert: Callable[[Any, Any], V | None]) -> int:
        """Convert every value stored as the annotation `old`, and keep the count."""
        dropped = 0

        def counted(node: Any, value: Any) -> V | None:
            nonlocal dropped
            converted = convert(node, value)
            dropped += converted is None
            return converted

        found = super().translate(old, counted)
        if dropped:
            self.counter.put(self.counter.get() - dropped)
        return found

    def count(self) -> int:
        """Return the number of entries in constant time."""
        return self.counter.get()
