"""The records of metadata V14 and V15, as runtimes write them and clients read them.

Responsible for their SCALE form and its bounds alone. Source: frame_metadata::v14 and v15.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, Final, TypeAlias

from runtime.primitives.scale import Enum, MaxLen, Struct, u8
from runtime.primitives.type_info import PortableType, TypeId

MAGIC: Final = b"meta"
TYPES_MAX: Final = 1 << 16
PALLETS_MAX: Final = 256


class StorageHasher(IntEnum):
    """How a map hashes its keys."""

    Blake2_128 = 0
    Blake2_256 = 1
    Blake2_128Concat = 2
    Twox128 = 3
    Twox256 = 4
    Twox64Concat = 5
    Identity = 6


class Modifier(IntEnum):
    """What an absent entry reads as."""

    Optional = 0
    Default = 1


class PlainEntry(Struct, index=0, variant="Plain"):
    value: TypeId


class MapEntry(Struct, index=1, variant="Map"):
    hashers: tuple[StorageHasher, ...]
    key: TypeId
    value: TypeId


EntryType: TypeAlias = Annotated[PlainEntry | MapEntry, Enum()]


class StorageEntry(Struct):
    name: str
    modifier: Modifier
    type: EntryType
    default: bytes
    docs: tuple[str, ...]


class StorageMetadata(Struct):
    prefix: str
    entries: tuple[StorageEntry, ...]


class ConstantMetadata(Struct):
    name: str
    type: TypeId
    value: bytes
    docs: tuple[str, ...]


class PalletV14(Struct):
    name: str
    storage: StorageMetadata | None
    calls: TypeId | None
    events: TypeId | None
    constants: tuple[ConstantMetadata, ...]
    errors: TypeId | None
    index: u8


class PalletV15(Struct):
    v14: PalletV14
    docs: tuple[str, ...]


class ExtensionMetadata(Struct):
    """A transaction extension: what it adds to the extrinsic, and to the signed payload alone."""

    identifier: str
    type: TypeId
    additional: TypeId


class ExtrinsicV14(Struct):
    type: TypeId
    version: u8
    extensions: tuple[ExtensionMetadata, ...]


class ExtrinsicV15(Struct):
    version: u8
    address: TypeId
    call: TypeId
    signature: TypeId
    extra: TypeId
    extensions: tuple[ExtensionMetadata, ...]


class ApiParameterMetadata(Struct):
    name: str
    type: TypeId


class ApiMethodMetadata(Struct):
    name: str
    inputs: tuple[ApiParameterMetadata, ...]
    output: TypeId
    docs: tuple[str, ...]


class ApiMetadata(Struct):
    name: str
    methods: tuple[ApiMethodMetadata, ...]
    docs: tuple[str, ...]


class OuterEnums(Struct):
    call: TypeId
    event: TypeId
    error: TypeId


class CustomMetadata(Struct):
    name: str
    type: TypeId
    value: bytes


class MetadataV14(Struct):
    types: Annotated[tuple[PortableType, ...], MaxLen(TYPES_MAX)]
    pallets: Annotated[tuple[PalletV14, ...], MaxLen(PALLETS_MAX)]
    extrinsic: ExtrinsicV14
    runtime: TypeId


class MetadataV15(Struct):
    types: Annotated[tuple[PortableType, ...], MaxLen(TYPES_MAX)]
    pallets: Annotated[tuple[PalletV15, ...], MaxLen(PALLETS_MAX)]
    extrinsic: ExtrinsicV15
    runtime: TypeId
    apis: tuple[ApiMetadata, ...]
    outer_enums: OuterEnums
    custom: tuple[CustomMetadata, ...]
