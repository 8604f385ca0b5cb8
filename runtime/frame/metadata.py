"""Metadata V14 and V15 of a composed runtime, from which wallets learn every type, call, event and constant.

Made from the same declarations as the codecs, so the two cannot disagree. It knows no particular pallet.
Source: frame_metadata::v14 and v15.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from runtime.frame.api import Api
from runtime.frame.event import Phase
from runtime.frame.extension import Extension
from runtime.frame.origins import SYSTEM_INDEX, RawOrigin
from runtime.frame.pallet import BoundItem, Pallet
from runtime.frame.runtime import Runtime
from runtime.frame.storage import CountedMap
from runtime.primitives.extrinsic import EXTRINSIC_VERSION, MultiAddress, MultiSignature
from runtime.primitives.metadata import (
    MAGIC,
    ApiMetadata,
    ApiMethodMetadata,
    ApiParameterMetadata,
    ConstantMetadata,
    ExtensionMetadata,
    ExtrinsicV14,
    ExtrinsicV15,
    MapEntry,
    MetadataV14,
    MetadataV15,
    Modifier,
    OuterEnums,
    PalletV14,
    PalletV15,
    PlainEntry,
    StorageEntry,
    StorageHasher,
    StorageMetadata,
)
from runtime.primitives.scale import codec, compile_codec
from runtime.primitives.shape import Blob, Int, Sequence, Shape, Tuple, shape_of
from runtime.primitives.type_info import (
    Composite,
    Field,
    SequenceDef,
    Type,
    TypeParameter,
    TypeRegistry,
    Variant,
    VariantDef,
)
from runtime.primitives.types import Hash

METADATA_VERSIONS = (14, 15)


def encode_metadata(runtime: Runtime, apis: tuple[Api, ...], version: int) -> bytes:
    """Return the prefixed metadata of a supported version; takes some 50 ms, so callers keep it."""
    assert version in METADATA_VERSIONS
    writer = _Writer(runtime)
    pallets = tuple(writer.pallet(p) for p in runtime.pallets)
    extensions = tuple(writer.extension(e) for e in runtime.extensions if e.is_listed)
    unchecked = writer.unchecked_extrinsic(writer.registry)
    marker = writer.registry.define("runtime", lambda: Type(("loam_runtime", "Runtime"), (), Composite(())))
    if version == 14:
        extrinsic = ExtrinsicV14(unchecked, EXTRINSIC_VERSION, extensions)
        body: bytes = codec(MetadataV14).encode(
            MetadataV14(writer.registry.types(), pallets, extrinsic, marker)
        )
        return MAGIC + bytes([version]) + body
    described = tuple(writer.api(api) for api in apis)
    documented = tuple(
        PalletV15(made, doc_lines(inspect.getdoc(type(p)) or ""))
        for made, p in zip(pallets, runtime.pallets, strict=True)
    )
    latest = ExtrinsicV15(
        EXTRINSIC_VERSION,
        writer.registry.add(shape_of(MultiAddress)),
        writer.outer_call(writer.registry),
        writer.registry.add(shape_of(MultiSignature)),
        writer.extra_type(writer.registry),
        extensions,
    )
    outer = OuterEnums(
        writer.outer_call(writer.registry),
        writer.outer_event(writer.registry),
        writer.outer_error(writer.registry),
    )
    types = writer.registry.types()
    body = codec(MetadataV15).encode(MetadataV15(types, documented, latest, marker, described, outer, ()))
    return MAGIC + bytes([version]) + body


def doc_lines(text: str) -> tuple[str, ...]:
    """Return a docstring as metadata lists it: one entry for each line."""
    return tuple(text.splitlines())


def _describer(shape: Shape) -> Callable[[TypeRegistry], int]:
    return lambda registry: registry.add(shape)


class _Writer:
    """Describes one runtime into one registry."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.registry = TypeRegistry(
            {
                "RuntimeCall": self.outer_call,
                "EventRecords": self.event_records,
                "Extrinsic": self.unchecked_extrinsic,
                "OriginCaller": self.origin_caller,
                "RuntimeHoldReason": lambda reg: self.reasons(reg, "hold_reasons", "RuntimeHoldReason"),
                "RuntimeFreezeReason": lambda reg: self.reasons(reg, "freeze_reasons", "RuntimeFreezeReason"),
                **{name: _describer(shape) for name, shape in runtime.defined.items()},
            }
        )

    def pallet(self, pallet: Pallet[Any]) -> PalletV14:
        """Describe one pallet instance."""
        events = pallet.event_shape()
        entries = tuple(e for item in pallet.items.values() if not item.hidden for e in self.entries(item))
        return PalletV14(
            pallet.name,
            StorageMetadata(pallet.name, entries) if entries else None,
            self.calls(pallet),
            None if events is None else self.events(pallet),
            tuple(
                ConstantMetadata(
                    c.name, self.registry.add(c.shape), self.encode(c.shape, c.value), doc_lines(c.docs)
                )
                for c in pallet.constants()
            ),
            self.errors(pallet),
            pallet.index,
        )

    def encode(self, shape: Shape, value: Any) -> bytes:
        """Return a constant's or default's bytes."""
        return compile_codec(shape, self.runtime.foreign).encode(value)

    def entries(self, bound: BoundItem) -> list[StorageEntry]:
        """Describe a storage item, and the counter that a counted map keeps beside it."""
        value = self.registry.add(bound.value_shape)
        kind: PlainEntry | MapEntry = PlainEntry(value)
        if bound.key_shapes:
            keys = bound.key_shapes
            key = self.registry.add(keys[0] if len(keys) == 1 else Tuple(keys))
            kind = MapEntry(tuple(StorageHasher(h.variant) for h in bound.hashers), key, value)
        item = bound.item
        default = b"\0" if bound.optional else self.encode(bound.value_shape, item.default)
        modifier = Modifier.Optional if bound.optional else Modifier.Default
        found = [StorageEntry(item.name, modifier, kind, default, doc_lines(bound.docs))]
        if isinstance(item, CountedMap):
            counter = PlainEntry(self.registry.add(Int(4)))
            docs = (f"Counter for the entries of `{item.name}`.",)
            found.append(StorageEntry(item.counter.name, Modifier.Default, counter, bytes(4), docs))
        return found

    def calls(self, pallet: Pallet[Any]) -> int | None:
        """Describe a pallet's call enum; None when it has no calls."""
        specs = self.runtime.specs[pallet.index]
        if not specs:
            return None
        return self.registry.define(
            ("calls", pallet.index),
            lambda: Type(
                ("pallet_" + pallet.crate_name, "pallet", "Call"),
                (),
                VariantDef(
                    tuple(
                        Variant(
                            s.name, self.registry.fields(s.parameters), s.declaration.index, doc_lines(s.docs)
                        )
                        for s in specs
                    )
                ),
            ),
        )

    def events(self, pallet: Pallet[Any]) -> int:
        """Describe a pallet's event enum."""
        union = pallet.event_shape()
        assert union is not None
        variants = tuple(
            Variant(
                v.name,
                self.registry.fields(v.record.fields),
                v.index,
                doc_lines(inspect.getdoc(v.record.cls) or ""),
            )
            for v in union.variants
        )
        return self.registry.add_variants(("events", pallet.index), union.path, variants)

    def errors(self, pallet: Pallet[Any]) -> int | None:
        """Describe a pallet's error enum; indices must have no gap, since clients index by position."""
        classes = pallet.error_classes
        if not classes:
            return None
        assert [cls.index for cls in classes] == list(range(len(classes))), (
            f"{pallet.name}: gap in error indices"
        )
        variants = tuple(
            Variant(cls.__name__, (), cls.index, doc_lines(inspect.getdoc(cls) or "")) for cls in classes
        )
        path = f"pallet_{pallet.crate_name}::pallet::Error"
        return self.registry.add_variants(("errors", pallet.index), path, variants)

    def extension(self, extension: Extension) -> ExtensionMetadata:
        """Describe one transaction extension."""
        return ExtensionMetadata(
            extension.identifier,
            self.registry.add(shape_of(extension.extra)),
            self.registry.add(shape_of(extension.additional)),
        )

    def api(self, api: Api) -> ApiMetadata:
        """Describe one runtime API."""
        methods = tuple(
            ApiMethodMetadata(
                m.name,
                tuple(ApiParameterMetadata(n, self.registry.add(shape_of(a))) for n, a in m.parameters),
                self.registry.add(shape_of(m.result)),
                doc_lines(m.docs),
            )
            for m in api.methods
        )
        return ApiMetadata(api.name, methods, doc_lines(api.docs))

    def outer_call(self, registry: TypeRegistry) -> int:
        """Describe the runtime's call enum."""
        return self._outer(registry, "RuntimeCall", self.calls)

    def outer_event(self, registry: TypeRegistry) -> int:
        """Describe the runtime's event enum."""
        return self._outer(registry, "RuntimeEvent", lambda p: self.events(p) if p.event_classes else None)

    def outer_error(self, registry: TypeRegistry) -> int:
        """Describe the runtime's error enum."""
        return self._outer(registry, "RuntimeError", self.errors)

    def reasons(self, registry: TypeRegistry, attribute: str, name: str) -> int:
        """Describe an outer hold or freeze reason enum."""

        def of(pallet: Pallet[Any]) -> int | None:
            reasons = getattr(pallet, attribute)
            return None if reasons is None else registry.add(shape_of(reasons))

        return self._outer(registry, name, of)

    def origin_caller(self, registry: TypeRegistry) -> int:
        """Describe the outer enum of origins: those of every chain, then those that pallets declare."""

        def make() -> Type:
            raw = Field(None, registry.add(shape_of(RawOrigin)), None)
            declared = tuple(
                Variant(p.name, (Field(None, registry.add(shape_of(p.origins)), None),), p.index)
                for p in self.runtime.pallets
                if p.origins is not None
            )
            return Type(
                ("loam_runtime", "OriginCaller"),
                (),
                VariantDef((Variant("system", (raw,), SYSTEM_INDEX), *declared)),
            )

        return registry.define(("outer", "OriginCaller"), make)

    def extra_type(self, registry: TypeRegistry) -> int:
        """Describe the tuple of extension values."""
        return registry.add(Tuple(tuple(shape_of(e.extra) for e in self.runtime.extensions if e.is_listed)))

    def event_records(self, registry: TypeRegistry) -> int:
        """Describe the type of System.Events."""
        return registry.define(
            "event records", lambda: Type((), (), SequenceDef(self._event_record(registry)))
        )

    def unchecked_extrinsic(self, registry: TypeRegistry) -> int:
        """Describe the extrinsic: opaque bytes, whose parts are the type's parameters."""
        return registry.define("extrinsic", lambda: self._unchecked(registry))

    def _unchecked(self, registry: TypeRegistry) -> Type:
        params = (
            TypeParameter("Address", registry.add(shape_of(MultiAddress))),
            TypeParameter("Call", self.outer_call(registry)),
            TypeParameter("Signature", registry.add(shape_of(MultiSignature))),
            TypeParameter("Extra", self.extra_type(registry)),
        )
        path = ("sp_runtime", "generic", "unchecked_extrinsic", "UncheckedExtrinsic")
        return Type(path, params, Composite((Field(None, registry.add(Blob()), None),)))

    def _event_record(self, registry: TypeRegistry) -> int:
        def make() -> Type:
            event, topic = self.outer_event(registry), registry.add(shape_of(Hash))
            topics = registry.add(Sequence(shape_of(Hash)))
            fields = (
                Field("phase", registry.add(shape_of(Phase)), "Phase"),
                Field("event", event, "E"),
                Field("topics", topics, "Vec<T>"),
            )
            params = (TypeParameter("E", event), TypeParameter("T", topic))
            return Type(("frame_system", "EventRecord"), params, Composite(fields))

        return registry.define("event record", make)

    def _outer(self, registry: TypeRegistry, name: str, inner: Callable[[Pallet[Any]], int | None]) -> int:
        def make() -> Type:
            found = [(p, inner(p)) for p in self.runtime.pallets]
            variants = tuple(
                Variant(p.name, (Field(None, number, None),), p.index)
                for p, number in found
                if number is not None
            )
            return Type(("loam_runtime", name), (), VariantDef(variants))

        return registry.define(("outer", name), make)
