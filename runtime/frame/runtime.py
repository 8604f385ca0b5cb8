"""A composed runtime: pallets bound to one state, with the codecs, the extensions and the version they make
up.

Responsible for composition (`RuntimeBuilder`), for decoding extrinsics and for the signing payload. What a
node may ask of it is in `runtime_api`; metadata is made from it in `metadata`. It knows no particular
pallet.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeAlias, TypeVar

from runtime.frame.account import lookup
from runtime.frame.call import CallSpec, CallTable
from runtime.frame.dispatch import CallFilter, CannotLookup
from runtime.frame.dispatcher import CallGuard, Dispatcher
from runtime.frame.event import EventTable
from runtime.frame.executive import Executive, SystemPallet
from runtime.frame.extension import Extension, Extrinsic
from runtime.frame.fungible import reason_codec
from runtime.frame.origins import origin_codec
from runtime.frame.pallet import Binding, Pallet, Phases
from runtime.frame.state import State
from runtime.frame.validity import UnknownReason, UnknownTransaction
from runtime.primitives.extrinsic import (
    MultiAddress,
    SignatureJob,
    make_unsigned,
    open_envelope,
    signed_message,
)
from runtime.primitives.hashing import blake2_64, blake2_256
from runtime.primitives.scale import (
    Codec,
    DecodeError,
    Length,
    Struct,
    codec,
    compile_codec,
    decode_compact,
    u8,
    u32,
)
from runtime.primitives.shape import Foreign, Shape, Tuple, shape_of
from runtime.primitives.types import AccountId, Hash

P = TypeVar("P", bound=Pallet[Any])

ApiId: TypeAlias = Annotated[bytes, Length(8)]


class RuntimeVersion(Struct, path="sp_version::RuntimeVersion"):
    """Which runtime this is; wallets sign `spec_version` and `transaction_version`."""

    spec_name: str
    impl_name: str
    authoring_version: u32
    spec_version: u32
    impl_version: u32
    apis: tuple[tuple[ApiId, u32], ...]
    transaction_version: u32
    system_version: u8


def api_id(name: str) -> bytes:
    """Return the 8-byte id of a runtime API: blake2b-64 of its name."""
    return blake2_64(name.encode())


ExtrinsicBytes: TypeAlias = Annotated[Extrinsic, Foreign("Extrinsic")]
"""An extrinsic as an argument of a runtime API: its full bytes, decoded by the runtime."""


class RuntimeBuilder:
    """Collects pallets in dependency order, then builds the runtime."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.calls = CallTable()
        self.events = EventTable()
        self.phases = Phases()
        self.dispatcher = Dispatcher(state)
        self.foreign: dict[str, Codec[Any]] = {}
        self.defined: dict[str, Shape] = {}
        self.foreign["RuntimeCall"] = self.calls.codec
        self.foreign["EventRecords"] = self.events.codec
        self.calls.foreign = self.foreign
        self.events.foreign = self.foreign
        self.pallets: list[Pallet[Any]] = []
        self.specs: dict[int, list[CallSpec]] = {}

    def add(self, pallet: type[P], *, index: int, name: str, config: Any) -> P:
        """Create a pallet instance under an index and a name, both unique and never reused."""
        assert 0 <= index <= 255, f"{name}: an index is one byte, 0 to 255, got {index}"
        for other in self.pallets:
            assert other.index != index, f"{name} cannot have index {index}, which is {other.name}'s"
            assert other.name != name, f"there are two pallets with the name {name}"
        binding = Binding(
            self.state, self.phases, name, index, self.foreign, self.calls, self.events, self.dispatcher
        )
        instance = pallet(binding, config)
        self.pallets.append(instance)
        self.specs[index] = self.calls.add(instance)
        events = instance.event_shape()
        if events is not None:
            self.events.add(index, events)
        return instance

    def define(self, name: str, annotation: Any) -> None:
        """Settle a type that pallets leave to the composition and refer to as `Foreign(name)`."""
        assert name not in self.foreign, f"{name} is taken"
        self.defined[name] = shape_of(annotation)
        self.foreign[name] = compile_codec(self.defined[name], self.foreign)

    def guard(self, pallet: str, name: str, guard: CallGuard) -> CallSpec:
        """Let a guard decide about each call of this name that an account makes; return the call's spec, or
        KeyError when there is none."""
        for spec in self.calls.specs.values():
            if (spec.pallet, spec.name) == (pallet, name):
                self.dispatcher.guard_call(spec, guard)
                return spec
        raise KeyError(f"{pallet}.{name}")

    def build(
        self,
        version: RuntimeVersion,
        system: SystemPallet,
        extensions: tuple[Extension, ...],
        base_filter: CallFilter | None = None,
        *,
        takes_overrides: bool = False,
    ) -> Runtime:
        """Return the runtime of what was added; `base_filter` tells which calls anyone but Root may make,
        `takes_overrides` whether blocks may set storage by hand."""
        self.dispatcher.guard(base_filter, system.call_filtered)
        for name, attribute in (
            ("RuntimeHoldReason", "hold_reasons"),
            ("RuntimeFreezeReason", "freeze_reasons"),
        ):
            known = {
                p.index: getattr(p, attribute) for p in self.pallets if getattr(p, attribute) is not None
            }
            self.foreign[name] = reason_codec(name, known)
        self.foreign["OriginCaller"] = origin_codec(
            {p.index: codec(p.origins) for p in self.pallets if p.origins is not None}
        )
        return Runtime(self, version, system, extensions, takes_overrides=takes_overrides)


class Runtime:
    """One version of a chain's logic, bound to one state."""

    def __init__(
        self,
        builder: RuntimeBuilder,
        version: RuntimeVersion,
        system: SystemPallet,
        extensions: tuple[Extension, ...],
        *,
        takes_overrides: bool = False,
    ) -> None:
        self.version = version
        self.state = builder.state
        self.calls = builder.calls
        self.events = builder.events
        self.specs = builder.specs
        self.foreign = builder.foreign
        self.defined = builder.defined
        self.extensions = extensions
        self.pallets = tuple(sorted(builder.pallets, key=lambda p: p.index))
        self.executive = Executive(
            builder.dispatcher,
            builder.phases,
            system,
            tuple(builder.pallets),
            extensions,
            takes_overrides=takes_overrides,
        )
        self.foreign["Extrinsic"] = Codec(Foreign("Extrinsic"), lambda x: x.data, self._decode_extrinsic)
        self._extra: Codec[tuple[Any, ...]] = compile_codec(
            Tuple(tuple(shape_of(e.extra) for e in extensions)), {}
        )
        self._implied = _implied(extensions)

    def pallet(self, name: str) -> Pallet[Any]:
        """Return a pallet instance by name; KeyError when there is none."""
        for pallet in self.pallets:
            if pallet.name == name:
                return pallet
        raise KeyError(name)

    def decode_extrinsic(self, data: bytes, hash_: Hash | None = None) -> Extrinsic:
        """Return the extrinsic of exactly these bytes, length prefix included; DecodeError otherwise.

        `hash_` is its blake2b-256 hash where the caller has computed it already.

        A signer that the address does not name directly is UnknownTransaction(CannotLookup).
        """
        extrinsic = self._open_extrinsic(data, hash_)
        if extrinsic.is_signed and extrinsic.signer is None:
            raise UnknownTransaction(UnknownReason.CannotLookup)
        return extrinsic

    def _open_extrinsic(self, data: bytes, hash_: Hash | None) -> Extrinsic:
        envelope = open_envelope(data)
        end = len(data)
        pos = envelope.body
        extra: tuple[Any, ...] = ()
        if envelope.address is not None:
            extra, pos = self._extra.decode_prefix(data, pos)
        call, stop = self.calls.codec.decode_prefix(data, pos)
        if stop != end:
            raise DecodeError(f"{end - stop} bytes after the call")
        extrinsic = Extrinsic(data, Hash(blake2_256(data)) if hash_ is None else hash_, call, call.info())
        extrinsic.call_start = pos
        if envelope.address is not None:
            extrinsic.is_signed = True
            extrinsic.signer = _find_signer(envelope.address)
            extrinsic.scheme = envelope.scheme
            extrinsic.signature = envelope.signature
            extrinsic.extra = extra
            extrinsic.extra_start = envelope.body
        return extrinsic

    def signing_payload(self, extrinsic: Extrinsic) -> bytes:
        """Return call ‖ extra ‖ additional of a signed extrinsic, against the chain that the state stands
        on."""
        data, call_start = extrinsic.data, extrinsic.call_start
        parts = [data[call_start:], data[extrinsic.extra_start : call_start]]
        for index, implied in self._implied:
            parts.append(implied if isinstance(implied, bytes) else implied(index, extrinsic))
        return b"".join(parts)

    def signature_job(self, extrinsic: Extrinsic) -> SignatureJob:
        """Return what to verify before a signed extrinsic is believed."""
        assert extrinsic.signer is not None
        message = signed_message(self.signing_payload(extrinsic))
        return SignatureJob(extrinsic.scheme, extrinsic.signer, extrinsic.signature, message)

    def inherents(self, data: dict[bytes, bytes]) -> list[bytes]:
        """Return the inherents of a block to author as full extrinsic bytes, in composition order."""
        found: list[bytes] = []
        for pallet in self.executive.pallets:
            call = pallet.create_inherent(data)
            if call is not None:
                found.append(make_unsigned(self.calls.codec.encode(call)))
        return found

    def _decode_extrinsic(self, data: bytes, pos: int, end: int) -> tuple[Extrinsic, int]:
        length, start = _length_prefix(data, pos, end)
        return self._open_extrinsic(data[pos : start + length], None), start + length


def _implied(
    extensions: tuple[Extension, ...],
) -> list[tuple[int, bytes | Callable[[int, Extrinsic], bytes]]]:
    """Return what the extensions add to the signed payload unseen, neighbouring constants as one."""
    found: list[tuple[int, bytes | Callable[[int, Extrinsic], bytes]]] = []
    for index, extension in enumerate(extensions):
        implied = extension.implied
        if isinstance(implied, bytes) and found and isinstance(before := found[-1][1], bytes):
            found[-1] = (index, before + implied)
        elif implied != b"":
            found.append((index, implied))
    return found


def _find_signer(address: MultiAddress) -> AccountId | None:
    try:
        return lookup(address)
    except CannotLookup:
        return None


def _length_prefix(data: bytes, pos: int, end: int) -> tuple[int, int]:
    length, start = decode_compact(data, pos, end)
    if start + length > end:
        raise DecodeError("input ends early")
    return length, start
