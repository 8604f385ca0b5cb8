"""Storage set by hand: what a block of a development chain writes before it does anything else.

Responsible for the item in the block's digest that carries the values, for its limits, and for telling which
storage item a raw key belongs to. It must not know who sets them, nor where blocks come from: every node that
executes the block writes the same, so that the state root of a block with such an item is as good as any.

The item is PreRuntime `DEVS` with a SCALE vector of (key, optional value), at least one, keys ascending.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any, Final, NamedTuple

from runtime.frame.state import State
from runtime.frame.storage import Item, Keyed
from runtime.primitives.block import DIGEST_BYTES_MAX, DigestItem, PreRuntime
from runtime.primitives.scale import DecodeError, MaxLen, Struct, codec

OVERRIDE_ENGINE: Final = b"DEVS"
OVERRIDES_MAX: Final = 1_000
"""Entries that one block sets; all together are bounded by their bytes."""
OVERRIDE_BYTES_MAX: Final = DIGEST_BYTES_MAX - 4 * 1024
"""Bytes of the digest item; the rest of the digest is for author, time and an upgrade."""
KEY_BYTES_MAX: Final = 1_024
"""Bytes of a raw key: two prefixes, and for each key a hash and itself."""
WELL_KNOWN: Final = b":"


class OverrideError(ValueError):
    """Values that cannot be set by hand; the sentence says which and why."""


class Override(Struct):
    """One storage entry set by hand: its raw key and raw value, None to remove it."""

    key: Annotated[bytes, MaxLen(KEY_BYTES_MAX)]
    value: Annotated[bytes, MaxLen(OVERRIDE_BYTES_MAX)] | None


class Place(NamedTuple):
    """Where an override goes: the storage item, its Python key and the decoded value."""

    item: Item[Any]
    node: Any
    value: Any


_OVERRIDES = codec(Annotated[tuple[Override, ...], MaxLen(OVERRIDES_MAX)])


def make_override_item(values: Mapping[bytes, bytes | None]) -> PreRuntime:
    """Return the digest item that sets these raw values; OverrideError when they are none or too many."""
    if not 0 < len(values) <= OVERRIDES_MAX:
        raise OverrideError(f"1 to {OVERRIDES_MAX} values can be set at once, not {len(values)}")
    longest = max(map(len, values))
    if longest > KEY_BYTES_MAX:
        raise OverrideError(f"a storage key has at most {KEY_BYTES_MAX} bytes, not {longest}")
    total = sum(len(key) + len(value or b"") for key, value in values.items())
    if total <= OVERRIDE_BYTES_MAX:
        data = _OVERRIDES.encode(tuple(Override(key, values[key]) for key in sorted(values)))
        total = len(data)
        if total <= OVERRIDE_BYTES_MAX:
            return PreRuntime(OVERRIDE_ENGINE, data)
    raise OverrideError(f"what is set at once has at most {OVERRIDE_BYTES_MAX} bytes, not {total}")


def find_overrides(logs: tuple[DigestItem, ...]) -> tuple[Override, ...]:
    """Return what a digest sets by hand, nothing where it has no such item; OverrideError when it is not in
    its one form."""
    found = [item for item in logs if isinstance(item, PreRuntime) and item.field_0 == OVERRIDE_ENGINE]
    if not found:
        return ()
    if len(found) > 1:
        raise OverrideError("two digest items set storage by hand")
    data = found[0].field_1
    if len(data) > OVERRIDE_BYTES_MAX:
        raise OverrideError(f"what is set at once has at most {OVERRIDE_BYTES_MAX} bytes, not {len(data)}")
    try:
        overrides: tuple[Override, ...] = _OVERRIDES.decode(data)
    except DecodeError as error:
        raise OverrideError(f"the digest item that sets storage by hand is malformed: {error}") from error
    keys = [override.key for override in overrides]
    if not keys or any(one >= later for one, later in pairwise(keys)):
        raise OverrideError("the keys set by hand are not ascending, or there are none")
    return overrides


def apply_overrides(state: State, overrides: tuple[Override, ...]) -> None:
    """Write values set by hand; OverrideError, before anything is written, when one has no place."""
    for place in [locate(state, override) for override in overrides]:
        place.item.write(place.node, place.value)


def locate(state: State, override: Override) -> Place:
    """Return the place of a value; OverrideError when no item has this key, or its type not this value."""
    key = override.key
    item = state.find(key)
    if not isinstance(item, Item):
        raise OverrideError(f"no storage item of this chain has the key {_shown(key)}")
    if item.prefix.startswith(WELL_KNOWN) and len(item.prefix) < 32:
        raise OverrideError(f"{item.prefix.decode()} is not set by hand: another runtime comes by an upgrade")
    node = _find_node(item, key)
    if override.value is None:
        return Place(item, node, None)
    try:
        return Place(item, node, item.codec.decode(override.value))
    except DecodeError as error:
        name = f"{item.pallet}.{item.name}"
        raise OverrideError(f"the value under {_shown(key)} is none of {name}: {error}") from error


def _find_node(item: Item[Any], key: bytes) -> Any:
    """Return the Python key of a raw one; OverrideError unless exactly these bytes are its raw key."""
    name = f"{item.pallet}.{item.name}"
    node: Any = None
    if isinstance(item, Keyed):
        if any(hasher.skip is None for hasher in item.hashers):
            raise OverrideError(f"{name} is not set by hand: its raw keys do not tell its keys")
        try:
            node = item.node_of(key)
        except DecodeError as error:
            raise OverrideError(f"{_shown(key)} is no key of {name}: {error}") from error
    if item.raw_key(node) != key:
        raise OverrideError(f"{_shown(key)} is no key of {name}")
    return node


def _shown(key: bytes) -> str:
    return f"0x{key[:80].hex()}{'…' if len(key) > 80 else ''}"
