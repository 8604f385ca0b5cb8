"""Metadata V14 and V15 as plain records: the types, pallets, extensions and runtime APIs of a chain.

Responsible for reading the bytes strictly and within bounds, and for refusing metadata that contradicts
itself: after `decode_metadata` every type id exists and every name and index stands for one thing. It knows
no connection, and what values look like is `dynamic`'s. Source: frame_metadata::v14 and v15, scale_info.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeVar

from apps.chain.errors import MetadataError
from runtime.primitives.metadata import (
    MAGIC,
    ApiMethodMetadata,
    ConstantMetadata,
    ExtensionMetadata,
    MapEntry,
    MetadataV14,
    MetadataV15,
    Modifier,
    PalletV14,
    StorageEntry,
    StorageHasher,
)
from runtime.primitives.scale import Codec, DecodeError, codec
from runtime.primitives.type_info import (
    ArrayDef,
    BitSequenceDef,
    CompactDef,
    Composite,
    Field,
    PortableType,
    PrimitiveDef,
    SequenceDef,
    TupleDef,
    Type,
    TypeDef,
    Variant,
    VariantDef,
)

METADATA_BYTES_MAX: Final = 16 << 20
"""Some twenty times the metadata of the largest Substrate chains."""

T = TypeVar("T")


class StorageItem(NamedTuple):
    """A value, or a map where `hashers` names one hasher for each key; `default` is what an absent entry
    reads as, unless it is optional."""

    name: str
    hashers: tuple[StorageHasher, ...]
    keys: tuple[int, ...]
    value: int
    default: bytes
    is_optional: bool
    docs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pallet:
    """What one pallet offers; calls and constants by name, events and errors by index."""

    name: str
    index: int
    prefix: str
    storage: Mapping[str, StorageItem]
    calls: Mapping[str, Variant]
    events: Mapping[int, Variant]
    errors: Mapping[int, Variant]
    constants: Mapping[str, ConstantMetadata]
    docs: tuple[str, ...]


class Metadata(NamedTuple):
    """What a runtime says of itself; `types` in the order of their ids, `apis` empty before V15."""

    version: int
    types: tuple[Type, ...]
    pallets: Mapping[str, Pallet]
    extrinsic_version: int
    address: int
    call: int
    signature: int
    extensions: tuple[ExtensionMetadata, ...]
    apis: Mapping[str, Mapping[str, ApiMethodMetadata]]

    def pallet_at(self, index: int) -> Pallet | None:
        """Return the pallet of an index, None where there is none."""
        return next((pallet for pallet in self.pallets.values() if pallet.index == index), None)


def decode_metadata(data: bytes) -> Metadata:
    """Return what prefixed metadata of version 14 or 15 says; MetadataError on anything else."""
    if len(data) > METADATA_BYTES_MAX:
        raise MetadataError(f"metadata of {len(data)} bytes, at most {METADATA_BYTES_MAX} are read")
    if data[:4] != MAGIC or len(data) < 5:
        raise MetadataError("this is no metadata: its first bytes are not `meta` and a version")
    version, body = data[4], data[5:]
    match version:
        case 14:
            return _from_v14(_decoded(codec(MetadataV14), body))
        case 15:
            return _from_v15(_decoded(codec(MetadataV15), body))
        case _:
            raise MetadataError(f"metadata of version {version}; 14 and 15 are read")


def _decoded(of: Codec[T], body: bytes) -> T:
    try:
        return of.decode(body)
    except DecodeError as error:
        raise MetadataError(f"metadata is damaged: {error}") from error


def _from_v14(raw: MetadataV14) -> Metadata:
    types = _check_types(raw.types)
    _check_ids(types, (raw.extrinsic.type, raw.runtime))
    parameters = {one.name: one.type for one in types[raw.extrinsic.type].params}
    found = [parameters.get(name) for name in ("Address", "Call", "Signature")]
    address, call, signature = (_known(one, "the extrinsic's type names no such parameter") for one in found)
    pallets = _pallets(types, [(pallet, ()) for pallet in raw.pallets])
    extensions = _extensions(types, raw.extrinsic.extensions)
    return Metadata(14, types, pallets, raw.extrinsic.version, address, call, signature, extensions, {})


def _from_v15(raw: MetadataV15) -> Metadata:
    types = _check_types(raw.types)
    extrinsic, outer = raw.extrinsic, raw.outer_enums
    _check_ids(types, (extrinsic.address, extrinsic.call, extrinsic.signature, extrinsic.extra, raw.runtime))
    _check_ids(types, (outer.call, outer.event, outer.error, *(one.type for one in raw.custom)))
    for api in raw.apis:
        for method in api.methods:
            _check_ids(types, (method.output, *(one.type for one in method.inputs)))
    apis = _unique(raw.apis, lambda api: api.name, "runtime API")
    return Metadata(
        15,
        types,
        _pallets(types, [(pallet.v14, pallet.docs) for pallet in raw.pallets]),
        extrinsic.version,
        extrinsic.address,
        extrinsic.call,
        extrinsic.signature,
        _extensions(types, extrinsic.extensions),
        {name: _unique(api.methods, lambda one: one.name, name) for name, api in apis.items()},
    )


def _check_types(raw: tuple[PortableType, ...]) -> tuple[Type, ...]:
    for position, portable in enumerate(raw):
        if portable.id != position:
            raise MetadataError(f"type {portable.id} stands where {position} belongs")
    types = tuple(portable.type for portable in raw)
    for one in types:
        _check_ids(types, [p.type for p in one.params if p.type is not None])
        _check_ids(types, _references(one.definition))
        if isinstance(one.definition, VariantDef):
            variants = one.definition.variants
            _unique(variants, lambda variant: variant.name, "variant")
            _unique(variants, lambda variant: variant.index, "variant index")
    return types


def _references(definition: TypeDef) -> list[int]:
    """Return the ids of the types that a definition is made of."""
    match definition:
        case Composite(fields=fields):
            return _field_types(fields)
        case VariantDef(variants=variants):
            return [one for variant in variants for one in _field_types(variant.fields)]
        case SequenceDef(type=item) | ArrayDef(type=item) | CompactDef(type=item):
            return [item]
        case TupleDef(types=items):
            return list(items)
        case BitSequenceDef(store=store, order=order):
            return [store, order]
        case PrimitiveDef():
            return []


def _field_types(fields: tuple[Field, ...]) -> list[int]:
    return [field.type for field in fields]


def _check_ids(types: tuple[Type, ...], ids: Iterable[int]) -> None:
    for one in ids:
        if one >= len(types):
            raise MetadataError(f"type {one} is used, and there are {len(types)}")


def _pallets(types: tuple[Type, ...], raw: list[tuple[PalletV14, tuple[str, ...]]]) -> dict[str, Pallet]:
    made = [_pallet(types, pallet, docs) for pallet, docs in raw]
    _unique(made, lambda pallet: pallet.index, "pallet index")
    return _unique(made, lambda pallet: pallet.name, "pallet")


def _pallet(types: tuple[Type, ...], raw: PalletV14, docs: tuple[str, ...]) -> Pallet:
    _check_ids(types, (one.type for one in raw.constants))
    entries = () if raw.storage is None else raw.storage.entries
    items = [_storage_item(types, entry) for entry in entries]
    calls, events, errors = (_variants(types, one, raw.name) for one in (raw.calls, raw.events, raw.errors))
    return Pallet(
        raw.name,
        raw.index,
        raw.name if raw.storage is None else raw.storage.prefix,
        _unique(items, lambda item: item.name, f"storage item of {raw.name}"),
        {variant.name: variant for variant in calls},
        {variant.index: variant for variant in events},
        {variant.index: variant for variant in errors},
        _unique(raw.constants, lambda one: one.name, f"constant of {raw.name}"),
        docs,
    )


def _storage_item(types: tuple[Type, ...], entry: StorageEntry) -> StorageItem:
    hashers: tuple[StorageHasher, ...] = ()
    keys: tuple[int, ...] = ()
    if isinstance(entry.type, MapEntry):
        hashers, keys = entry.type.hashers, (entry.type.key,)
        _check_ids(types, keys)
        if len(hashers) != 1:
            keys = _key_types(types[keys[0]], len(hashers), entry.name)
    _check_ids(types, (entry.type.value,))
    optional = entry.modifier is Modifier.Optional
    return StorageItem(entry.name, hashers, keys, entry.type.value, entry.default, optional, entry.docs)


def _key_types(key: Type, count: int, name: str) -> tuple[int, ...]:
    definition = key.definition
    if not count or not isinstance(definition, TupleDef) or len(definition.types) != count:
        raise MetadataError(f"{name} has {count} hashers and keys of another number")
    return definition.types


def _variants(types: tuple[Type, ...], number: int | None, name: str) -> tuple[Variant, ...]:
    if number is None:
        return ()
    _check_ids(types, (number,))
    definition = types[number].definition
    if not isinstance(definition, VariantDef):
        raise MetadataError(f"calls, events and errors of {name} must be enums")
    return definition.variants


def _extensions(types: tuple[Type, ...], raw: tuple[ExtensionMetadata, ...]) -> tuple[ExtensionMetadata, ...]:
    for one in raw:
        _check_ids(types, (one.type, one.additional))
    _unique(raw, lambda one: one.identifier, "extension")
    return raw


def _known(number: int | None, sentence: str) -> int:
    if number is None:
        raise MetadataError(sentence)
    return number


K = TypeVar("K", str, int)


def _unique(found: Iterable[T], key: Callable[[T], K], what: str) -> dict[K, T]:
    """Return the records under their keys; MetadataError when two have the same."""
    records: dict[K, T] = {}
    for one in found:
        if records.setdefault(key(one), one) is not one:
            raise MetadataError(f"{what} {key(one)!r} is there twice")
    return records
