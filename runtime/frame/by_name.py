"""Storage entries by the names of pallet and item, with keys and values as JSON.

Responsible for the form in which developers set storage by hand: an object of pallets, each an object of
items; a single value as it is, a map as an array of [keys, value], null to remove an entry, hex for the raw
bytes of a value, and `$removePrefix` with the names of items that lose all their entries. Later entries win.
It knows no particular pallet. Source: chopsticks, `dev_setStorage`.
"""

from __future__ import annotations

from itertools import islice
from typing import Any, Final

from runtime.frame.by_hand import OVERRIDES_MAX
from runtime.frame.pallet import BoundItem, Pallet
from runtime.frame.runtime import Runtime
from runtime.frame.storage import Keyed
from runtime.primitives.json_values import JsonReader, JsonValueError
from runtime.primitives.scale import Codec, EncodeError
from runtime.primitives.shape import Shape

REMOVE_PREFIX: Final = "$removePrefix"


def read_entries(runtime: Runtime, values: dict[str, Any]) -> dict[bytes, bytes | None]:
    """Return raw keys and values of what an object names; JsonValueError naming the place when it is wrong.

    It reads what `$removePrefix` removes from the state that the runtime stands on.
    """
    return _Reading(runtime).read(values)


class _Reading:
    """One object on its way from names to raw keys and values."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._reader = JsonReader(runtime.defined, runtime.foreign)
        self._found: dict[bytes, bytes | None] = {}

    def read(self, values: dict[str, Any]) -> dict[bytes, bytes | None]:
        for pallet_name, items in values.items():
            pallet = next((p for p in self._runtime.pallets if _is_name(p.name, pallet_name)), None)
            if pallet is None:
                raise JsonValueError(f"{pallet_name[:40]!r} is no pallet of this chain")
            if not isinstance(items, dict):
                raise JsonValueError("must be an object of storage items", f".{pallet_name}")
            for item_name, value in items.items():
                try:
                    self._read_item(pallet, item_name, value)
                except JsonValueError as error:
                    raise error.inside(f".{pallet.name}.{item_name[:40]}") from error
        return self._found

    def _read_item(self, pallet: Pallet[Any], name: str, value: Any) -> None:
        if name == REMOVE_PREFIX:
            if not isinstance(value, list):
                raise JsonValueError("must be an array of item names")
            for one in value:
                self._remove_all(_find_item(pallet, one))
            return
        bound = _find_item(pallet, name)
        if not isinstance(bound.item, Keyed):
            self._put(bound.item.prefix, self._read_value(bound, value))
            return
        if not isinstance(value, list):
            raise JsonValueError("must be an array of [keys, value]")
        for position, entry in enumerate(value):
            try:
                self._read_entry(bound, bound.item, entry)
            except JsonValueError as error:
                raise error.inside(f"[{position}]") from error

    def _read_entry(self, bound: BoundItem, item: Keyed[Any], entry: Any) -> None:
        if not isinstance(entry, list) or len(entry) != 2:
            raise JsonValueError("must be [keys, value]")
        keys, value = entry
        listed = keys if isinstance(keys, list) else [keys]
        if len(listed) != len(bound.key_shapes):
            raise JsonValueError(f"needs {len(bound.key_shapes)} keys, got {len(listed)}")
        raw = item.prefix
        for shape, key_codec, hasher, key in zip(
            bound.key_shapes, item.key_codecs, item.hashers, listed, strict=True
        ):
            raw += hasher.function(self._encode(shape, key_codec, key))
        self._put(raw, self._read_value(bound, value))

    def _read_value(self, bound: BoundItem, value: Any) -> bytes | None:
        if value is None:
            return None
        if isinstance(value, str) and value.startswith("0x"):
            try:
                return bytes.fromhex(value[2:])
            except ValueError as error:
                raise JsonValueError(f"must be hex digits after 0x: {error}") from error
        return self._encode(bound.value_shape, bound.item.codec, value)

    def _encode(self, shape: Shape, codec: Codec[Any], value: Any) -> bytes:
        try:
            return codec.encode(self._reader.read(shape, value))
        except EncodeError as error:
            raise JsonValueError(f"is more than its type holds: {error}") from error

    def _remove_all(self, bound: BoundItem) -> None:
        item = bound.item
        for raw in [raw for raw in self._found if raw.startswith(item.prefix)]:
            self._put(raw, None)
        stored = item.state.backend.keys(item.prefix)
        for raw in islice(stored, OVERRIDES_MAX + 1):
            self._put(raw, None)

    def _put(self, raw: bytes, value: bytes | None) -> None:
        self._found[raw] = value
        if len(self._found) > OVERRIDES_MAX:
            raise JsonValueError(f"makes more than {OVERRIDES_MAX} values to set at once")


def _find_item(pallet: Pallet[Any], name: Any) -> BoundItem:
    shown = [bound for bound in pallet.items.values() if not bound.hidden]
    for bound in shown:
        if isinstance(name, str) and _is_name(bound.item.name, name):
            return bound
    names = ", ".join(bound.item.name for bound in shown)
    raise JsonValueError(f"is no storage item of {pallet.name}; it has {names or 'none'}")


def _is_name(name: str, given: str) -> bool:
    """Tell whether a name is given as metadata has it, or with a small first letter, as wallets do."""
    return given in {name, name[:1].lower() + name[1:]}
