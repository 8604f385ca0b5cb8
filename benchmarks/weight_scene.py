"""The stage on which the weight of a call is measured: a chain in a state that makes the call dear.

A case names the constant it gives and prepares the state; what it returns is measured. Linear components
(bytes, calls, signatories, …) are arguments of the case, and the constant of each is the slope. It knows no
particular pallet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from genesis.consortium import (
    UNIT,
    Consortium,
    ConsortiumParameters,
    compose,
    make_version,
    write_genesis,
)
from runtime.frame.call import Call
from runtime.frame.dispatch import Origin
from runtime.frame.state import MemoryBackend
from runtime.primitives.hashing import blake2_256
from runtime.primitives.types import AccountId
from tests.support.chain import ALICE, Chain, genesis_of

PEOPLE: Final = 130
"""Funded accounts, enough for the largest multisig."""
FUNDS: Final = 1_000_000 * UNIT

Act = Callable[[], None]
"""What is measured; it checks that it did what it was to do."""


def person(number: int) -> AccountId:
    """Return a funded account."""
    return AccountId(blake2_256(b"person" + number.to_bytes(4, "little")))


def stranger(number: int) -> AccountId:
    """Return an account that does not exist."""
    return AccountId(blake2_256(b"stranger" + number.to_bytes(4, "little")))


class RecordingBackend(MemoryBackend):
    """A backend that notes which keys are read."""

    def __init__(self) -> None:
        super().__init__()
        self.read: dict[bytes, None] = {}

    def get(self, key: bytes) -> bytes | None:
        """Return the value under a raw key, and note the key."""
        self.read[key] = None
        return super().get(key)

    def keys(self, prefix: bytes, after: bytes | None = None) -> Iterator[bytes]:
        """Yield the raw keys with a prefix, and note each."""
        for key in super().keys(prefix, after):
            self.read[key] = None
            yield key


class Scene:
    """A chain with an open block and funded people; Alice is validator and superuser."""

    def __init__(self) -> None:
        self.backend = RecordingBackend()
        everybody = ((ALICE, FUNDS), *((person(number), FUNDS) for number in range(PEOPLE)))
        parameters, version = ConsortiumParameters(has_sudo=True), make_version()
        self.chain: Chain[Consortium] = Chain(
            lambda state: compose(state, parameters, version),
            lambda chain: write_genesis(chain, genesis_of(*everybody)),
            self.backend,
        )
        self.inner = 0
        """How many remarks are made within the measured call; their own cost is taken off."""

    def ok(self, origin: Origin | AccountId, name: str, *args: Any) -> None:
        """Make a call now, to prepare the state."""
        self.chain.ok(origin, name, *args)

    def call(self, name: str, *args: Any) -> Call:
        """Return a call."""
        return self.chain.call(name, *args)

    def remarks(self, count: int) -> tuple[Call, ...]:
        """Return the cheapest calls there are, to be made within the measured one."""
        self.inner += count
        return (self.call("System.remark", b""),) * count

    def remark(self) -> Call:
        """Return the cheapest call there is, to be made within the measured one."""
        return self.remarks(1)[0]

    def act(self, origin: Origin | AccountId, name: str, *args: Any) -> Act:
        """Return the making of a call, which is to succeed."""
        return self.dispatch(origin, self.call(name, *args))

    def dispatch(self, origin: Origin | AccountId, call: Call) -> Act:
        """Return the making of a call, which is to succeed."""

        def run() -> None:
            error = self.chain.dispatch(origin, call).error
            assert error is None, f"{call}: {error}"

        return run

    def hook(self, pallet: str, name: str, *args: Any) -> Act:
        """Return the running of a pallet's hook."""
        method = getattr(self.chain.runtime.pallet(pallet), name)

        def run() -> None:
            method(*args)

        return run

    def settle(self) -> None:
        """Close the block and forget every decoded value, so that the first run reads what it needs."""
        self.chain.close_block()
        self.chain.state.retarget(self.backend)
        self.chain.open_block()


@dataclass(frozen=True, slots=True)
class Case:
    """A constant and how to measure it: `prepare` takes a scene and one size for each component."""

    name: str
    prepare: Callable[..., Act]
    components: tuple[str, ...]
    highs: tuple[int, ...]

    def constants(self) -> tuple[str, ...]:
        """Return the names of the constants that the case gives."""
        return (self.name, *(f"{self.name}_PER_{component}" for component in self.components))


class Cases:
    """The cases of one generated file, in its order."""

    def __init__(self) -> None:
        self.listed: list[Case] = []

    def add(self, name: str, **components: int) -> Callable[[Callable[..., Act]], Callable[..., Act]]:
        """Declare a case; each component comes with the size up to which the slope is measured."""

        def declare(prepare: Callable[..., Act]) -> Callable[..., Act]:
            assert all(case.name != name for case in self.listed), f"{name} is measured twice"
            self.listed.append(Case(name, prepare, tuple(components), tuple(components.values())))
            return prepare

        return declare
