"""The executive: runs blocks and extrinsics over a composition of pallets.

Responsible for the order of things in a block (migrations, hooks, inherents first, extrinsics, idle,
finalization), for rollback of failed calls, and for refusing what breaks the rules. It knows one pallet
only through the `SystemPallet` Protocol and computes no state root: changes leave through the state.
Source: frame_executive.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from runtime.frame.by_hand import OverrideError, apply_overrides, find_overrides
from runtime.frame.dispatch import (
    NO_WEIGHT,
    NOBODY,
    DispatchClass,
    DispatchError,
    DispatchErrorValue,
    DispatchInfo,
    PostDispatchInfo,
    Signed,
    Weight,
)
from runtime.frame.dispatcher import Dispatcher
from runtime.frame.event import FINALIZATION, INITIALIZATION, ApplyExtrinsic
from runtime.frame.extension import Extension, Extrinsic
from runtime.frame.pallet import Pallet, Phases
from runtime.frame.validity import (
    InvalidReason,
    InvalidTransaction,
    TransactionError,
    UnknownReason,
    UnknownTransaction,
    ValidTransaction,
    combine,
)
from runtime.primitives.block import DigestItem
from runtime.primitives.types import Hash


class InvalidBlock(Exception):
    """A block breaks the rules of its chain; carries the reason and, where one is at fault, the extrinsic
    index."""

    def __init__(self, reason: str, extrinsic: int | None = None) -> None:
        super().__init__(reason if extrinsic is None else f"extrinsic {extrinsic}: {reason}")
        self.reason = reason
        self.extrinsic = extrinsic


class SystemPallet(Protocol):
    """What the executive needs of the pallet that keeps the block's own records."""

    def call_filtered(self) -> DispatchError:
        """Return the error of a call that the chain or the origin does not allow."""
        ...

    def current_number(self) -> int:
        """Return the number of the block that the state stands on or in."""
        ...

    def initialize(self, number: int, parent_hash: Hash, logs: tuple[DigestItem, ...]) -> None:
        """Open a block: number, parent, pre-runtime digest; clear what the parent left."""
        ...

    def is_upgraded(self) -> int | None:
        """Return the spec version before an upgrade that this block is the first to run, else None."""
        ...

    def note_upgraded(self) -> None:
        """Record that the current version's migrations have run."""
        ...

    def register_weight(self, weight: Weight, dispatch_class: DispatchClass) -> None:
        """Count weight that hooks used."""
        ...

    def remaining_weight(self) -> Weight:
        """Return what the block may still use."""
        ...

    def prepare_extrinsic(self, extrinsic: Extrinsic) -> None:
        """Raise ExhaustsResources when the block cannot take an extrinsic; what is refused is not counted."""
        ...

    def note_applied(
        self, info: DispatchInfo, post: PostDispatchInfo, error: DispatchErrorValue | None
    ) -> None:
        """Count the prepared extrinsic's length and used weight; deposit the verdict event."""
        ...

    def finalize(self) -> tuple[DigestItem, ...]:
        """Close the block: write events and weights; return the digest without seals."""
        ...


class Applied(msgspec.Struct, frozen=True, gc=False):
    """Outcome of an included extrinsic: None when the call succeeded, its error otherwise."""

    error: DispatchErrorValue | None


_SUCCESS = Applied(None)


class Executive:
    """Runs one runtime's blocks on its state."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        phases: Phases,
        system: SystemPallet,
        pallets: tuple[Pallet[Any], ...],
        extensions: tuple[Extension, ...],
        *,
        takes_overrides: bool = False,
    ) -> None:
        """With `takes_overrides`, as on development chains, blocks may set storage by hand."""
        self.state = dispatcher.state
        self.dispatcher = dispatcher
        self.phases = phases
        self.system = system
        self.pallets = pallets
        self.index = 0
        self.number = 0
        self._past_inherents = False
        self._takes_overrides = takes_overrides
        numbered = list(enumerate(extensions))
        self._validators = [(i, e.validate) for i, e in numbered if e.validate is not None]
        self._preparers = [(i, e.prepare, e.settle) for i, e in numbered if e.prepare is not None]
        self._hooks = _overridden(pallets)

    def initialize_block(self, number: int, parent_hash: Hash, logs: tuple[DigestItem, ...]) -> None:
        """Open a block on the state of its parent: migrations of a new version first, then on_initialize.

        Before all that come the storage values that the digest sets by hand; InvalidBlock when it may not.
        """
        self._override(logs)
        self.phases.current = INITIALIZATION
        self.number = number
        self.index = 0
        self._past_inherents = False
        self.system.initialize(number, parent_hash, logs)
        weight = NO_WEIGHT
        from_version = self.system.is_upgraded()
        if from_version is not None:
            for pallet in self.pallets:
                used = pallet.on_runtime_upgrade(from_version)
                weight = weight.plus(_ensure_weight(pallet, "on_runtime_upgrade", used))
            self.system.note_upgraded()
        for pallet in self._hooks["on_initialize"]:
            weight = weight.plus(_ensure_weight(pallet, "on_initialize", pallet.on_initialize(number)))
        self.system.register_weight(weight, DispatchClass.Mandatory)
        self.phases.current = ApplyExtrinsic(0)

    def validate(self, extrinsic: Extrinsic) -> ValidTransaction:
        """Return the pool tags of an extrinsic whose signature was checked; TransactionError when it cannot
        enter.

        Reads the state only.
        """
        if extrinsic.signer is None:
            return self._validate_unsigned(extrinsic)
        if extrinsic.info.class_ is DispatchClass.Mandatory:
            raise InvalidTransaction(InvalidReason.MandatoryValidation)
        parts: list[ValidTransaction] = []
        for index, validate in self._validators:
            part = validate(index, extrinsic)
            if part is not None:
                parts.append(part)
        return combine(parts)

    def apply(self, extrinsic: Extrinsic) -> Applied:
        """Run one extrinsic in the open block.

        TransactionError means that it may not be included: nothing has changed. A failed call is included:
        its changes are rolled back, its fee and nonce stay.
        """
        outer = self.state.mark()
        try:
            settlements = self._prepare(extrinsic)
        except TransactionError:
            self.state.rollback(outer)
            raise
        signer, info = extrinsic.signer, extrinsic.info
        post, error = self.dispatcher.dispatch(extrinsic.call, NOBODY if signer is None else Signed(signer))
        if error is not None and info.class_ is DispatchClass.Mandatory:
            self.state.rollback(outer)
            raise InvalidTransaction(InvalidReason.BadMandatory)
        for settle, prepared in settlements:
            settle(extrinsic, prepared, post, error)
        self.system.note_applied(info, post, error)
        self.state.settle()
        self.index += 1
        self.phases.current = ApplyExtrinsic(self.index)
        return _SUCCESS if error is None else Applied(error)

    def finalize_block(self) -> tuple[DigestItem, ...]:
        """Close the block with on_idle and on_finalize; return its digest without seals. InvalidBlock on
        failure."""
        self.phases.current = FINALIZATION
        for pallet in self._hooks["on_idle"]:
            used = pallet.on_idle(self.number, self.system.remaining_weight())
            self.system.register_weight(_ensure_weight(pallet, "on_idle", used), DispatchClass.Mandatory)
        for pallet in self._hooks["on_finalize"]:
            pallet.on_finalize(self.number)
        return self.system.finalize()

    def try_state(self) -> None:
        """AssertionError unless the stored data of every pallet is consistent."""
        for pallet in self.pallets:
            pallet.try_state()

    def is_inherent(self, extrinsic: Extrinsic) -> bool:
        """Tell whether an extrinsic is an inherent of some pallet."""
        return extrinsic.signer is None and any(
            p.is_inherent(extrinsic.call) for p in self._hooks["is_inherent"]
        )

    def _override(self, logs: tuple[DigestItem, ...]) -> None:
        try:
            overrides = find_overrides(logs)
            if overrides and not self._takes_overrides:
                raise InvalidBlock("storage is set by hand on development chains only")
            apply_overrides(self.state, overrides)
        except OverrideError as error:
            raise InvalidBlock(str(error)) from error

    def _validate_unsigned(self, extrinsic: Extrinsic) -> ValidTransaction:
        if self.is_inherent(extrinsic):
            raise InvalidTransaction(InvalidReason.Call)
        for pallet in self._hooks["validate_unsigned"]:
            validity = pallet.validate_unsigned(extrinsic.call)
            if validity is not None:
                return validity
        raise UnknownTransaction(UnknownReason.NoUnsignedValidator)

    def _prepare(self, extrinsic: Extrinsic) -> list[tuple[Callable[..., None], Any]]:
        if extrinsic.signer is None:
            self._prepare_unsigned(extrinsic)
            return []
        self._past_inherents = True
        settlements: list[tuple[Callable[..., None], Any]] = []
        for index, prepare, settle in self._preparers:
            prepared = prepare(index, extrinsic)
            if settle is not None:
                settlements.append((settle, prepared))
        return settlements

    def _prepare_unsigned(self, extrinsic: Extrinsic) -> None:
        if self.is_inherent(extrinsic):
            if self._past_inherents:
                raise InvalidTransaction(InvalidReason.Call)
        else:
            self._past_inherents = True
            self._validate_unsigned(extrinsic)
        self.system.prepare_extrinsic(extrinsic)


def _ensure_weight(pallet: Pallet[Any], hook: str, used: Weight) -> Weight:
    """Return what a hook returned; a hook that ends without a `return` is named before it is added up."""
    assert isinstance(used, Weight), f"{pallet.name}.{hook} returned {used!r}, not the Weight that it used"
    return used


_HOOKS = ("on_initialize", "on_idle", "on_finalize", "is_inherent", "validate_unsigned", "create_inherent")


def _overridden(pallets: tuple[Pallet[Any], ...]) -> dict[str, list[Pallet[Any]]]:
    """Return, for each hook, the pallets that do something in it, in composition order."""
    found: dict[str, list[Pallet[Any]]] = {}
    for hook in _HOOKS:
        found[hook] = [p for p in pallets if getattr(type(p), hook) is not getattr(Pallet, hook)]
    return found
