"""Draws any call of a composed runtime, by the shapes of its parameters, from a seeded generator.

Values lean to what makes calls succeed: few accounts, few assets, amounts around the deposits, and what the
chain itself offers, such as open operations and proxies. A pallet that is composed later is covered without a
line here.
"""

from collections.abc import Callable, Iterator, Sequence
from random import Random  # noqa: TID251  # only the type; the generator comes from outside
from typing import Any

from genesis.consortium import EXISTENTIAL_DEPOSIT, UNIT, Consortium
from genesis.proxy_types import ProxyType
from pallets.core.multisig import Multisig, Timepoint
from pallets.core.proxy import Proxy, ProxyDefinition
from runtime.frame.call import Call, CallSpec
from runtime.frame.dispatch import NOBODY, ROOT, Origin, Signed, Weight
from runtime.primitives import shape as shapes
from runtime.primitives.extrinsic import (
    Address20,
    Address32,
    AddressId,
    AddressIndex,
    AddressRaw,
    MultiAddress,
)
from runtime.primitives.hashing import blake2_256
from runtime.primitives.shape import Shape, shape_of
from runtime.primitives.types import AccountId
from tests.support.chain import ALICE, BOB, CHARLIE, EVE, FERDIE, Chain

PEOPLE = (ALICE, ALICE, ALICE, BOB, BOB, CHARLIE, EVE, FERDIE)
ASSETS = (7, 7, 7, 7, 8, 9)
STRANGE = (AddressIndex(None), AddressRaw(b"abc"), Address20(bytes(20)), Address32(bytes(ALICE)))
"""Addresses of other forms; only the last names an account."""
AMOUNTS = (0, 1, 9, 10, 100, 990, 1_000, EXISTENTIAL_DEPOSIT - 1, EXISTENTIAL_DEPOSIT, UNIT, 500 * UNIT)
DEPTH_MAX = 3
_MULTI_ADDRESS = shape_of(MultiAddress)
_ACCOUNT = shape_of(AccountId)


class AnyCall:
    """Draws steps for one chain; what it has drawn it may draw again."""

    def __init__(self, chain: Chain[Consortium], rng: Random, without: Callable[[CallSpec], bool]) -> None:
        self.chain = chain
        self.rng = rng
        specs = sorted(chain.runtime.calls.specs.values(), key=lambda spec: spec.prefix)
        self.specs = [spec for spec in specs if not without(spec)]
        self.plain = [spec for spec in self.specs if "RuntimeCall" not in repr(spec.parameters)]
        self.who = ALICE
        self.depth = 0
        self.seen: list[Call] = []
        self.by_name: dict[str, Callable[[], Any]] = {
            "id": lambda: rng.choice(ASSETS),
            "threshold": lambda: rng.choice((2, 2, 2, 3, 1, 0)),
            "other_signatories": self.others,
            "maybe_timepoint": lambda: rng.choice((None, self.timepoint())),
            "timepoint": self.timepoint,
            "call_hash": self.call_hash,
            "max_weight": lambda: rng.choice((Weight(10**13, 10**13), Weight(1, 1))),
            "real": self.real,
            "delegate": self.delegate,
            "delay": lambda: rng.choice((0, 0, 1, 2)),
            "index": lambda: rng.randrange(3),
            "height": lambda: chain.number - rng.randrange(2),
            "ext_index": lambda: rng.randrange(2),
            "min_balance": lambda: rng.choice((0, 1, 10, 1_000)),
            "number": lambda: chain.number + rng.randrange(4),
            "spec_version": lambda: rng.randrange(4),
        }

    def step(self) -> tuple[Origin, Call]:
        """Draw a call and who makes it."""
        rng = self.rng
        self.who = rng.choice(PEOPLE)
        origins: tuple[Origin, ...] = (*[Signed(self.who)] * 8, ROOT, ROOT, NOBODY)
        return rng.choice(origins), self.call()

    def signed(self) -> tuple[AccountId, Call]:
        """Draw a call and who signs it."""
        self.who = self.rng.choice(PEOPLE)
        return self.who, self.call()

    def call(self) -> Call:
        """Draw a call; calls within calls end at a depth."""
        rng = self.rng
        if self.seen and rng.random() < 0.2:
            return rng.choice(self.seen)
        spec = rng.choice(self.plain if self.depth >= DEPTH_MAX else self.specs)
        self.depth += 1
        args = tuple(self.named(name, shape) for name, shape in spec.parameters)
        self.depth -= 1
        made: Call = self.chain.runtime.calls.codec.decode(Call(spec, args).encoded())
        self.seen = [*self.seen[-20:], made]
        return made

    def named(self, name: str, shape: Shape) -> Any:
        """Draw the value of a parameter."""
        known = self.by_name.get(name)
        return self.value(shape) if known is None else known()

    def value(self, shape: Shape) -> Any:  # noqa: C901  # one arm per shape
        """Draw a value of a shape."""
        rng = self.rng
        match shape:
            case _ if shape == _ACCOUNT:
                return rng.choice(PEOPLE)
            case _ if shape == _MULTI_ADDRESS:
                return AddressId(rng.choice(PEOPLE)) if rng.random() < 0.95 else rng.choice(STRANGE)
            case shapes.Int(width, signed=True):
                largest = (1 << 8 * width - 1) - 1
                return rng.choice((0, 1, -1, 1_000, largest, -largest, rng.randrange(-UNIT, UNIT)))
            case shapes.Int(width) | shapes.CompactInt(width):
                largest = (1 << 8 * width) - 1
                return min(largest, rng.choice((*AMOUNTS, largest, rng.randrange(2_000 * UNIT))))
            case shapes.Bool():
                return rng.random() < 0.5
            case shapes.Unit():
                return None
            case shapes.Blob(limit):
                return rng.randbytes(min(rng.choice((0, 1, 8, 60)), 60 if limit is None else limit))
            case shapes.FixedBlob(length):
                return rng.randbytes(length)
            case shapes.Named(_, inner):
                return self.value(inner)
            case shapes.Option(item):
                return None if rng.random() < 0.5 else self.value(item)
            case shapes.Sequence(item):
                return tuple(self.value(item) for _ in range(rng.randrange(4)))
            case shapes.Tuple(items):
                return tuple(self.value(item) for item in items)
            case shapes.Record(cls, _, fields):
                return cls(*(self.value(field) for _, field in fields))
            case shapes.TaggedUnion(_, variants):
                return self.value(rng.choice(variants).record)
            case shapes.PlainEnum(cls):
                return rng.choice(tuple(cls))
            case shapes.Foreign("RuntimeCall"):
                return self.call()
            case shapes.Foreign("OriginCaller"):
                return rng.choice((ROOT, NOBODY, Signed(rng.choice(PEOPLE))))
            case shapes.Foreign("ProxyType"):
                return rng.choice((ProxyType.Any, ProxyType.Any, *ProxyType))
            case _:
                raise AssertionError(f"no values for {shape}")

    def others(self) -> tuple[AccountId, ...]:
        """Draw the others of a shared account: mostly the same three people, in order and without the
        signer."""
        people: Sequence[AccountId] = (ALICE, BOB, CHARLIE)
        if self.rng.random() < 0.1:
            return tuple(self.rng.choice(PEOPLE) for _ in range(self.rng.randrange(4)))
        return tuple(sorted(who for who in people if who != self.who))

    def timepoint(self) -> Timepoint:
        """Draw the timepoint of an open operation where there is one."""
        multisig = self.chain.runtime.pallet("Multisig")
        assert isinstance(multisig, Multisig)
        opened = [found.when for _, found in multisig.multisigs.items() if found is not None]
        return self.rng.choice((*opened, Timepoint(self.chain.number, 0)))

    def real(self) -> AddressId:
        """Draw an account that the signer is a proxy of, where there is one."""
        reals = [real for real, (found, _) in self.proxies() if any(d.delegate == self.who for d in found)]
        return AddressId(self.rng.choice((*reals, *reals, self.rng.choice(PEOPLE))))

    def delegate(self) -> AddressId:
        """Draw a proxy of the signer, where there is one."""
        found = [d.delegate for real, (ds, _) in self.proxies() if real == self.who for d in ds]
        return AddressId(self.rng.choice((*found, self.rng.choice(PEOPLE))))

    def proxies(self) -> Iterator[tuple[AccountId, tuple[tuple[ProxyDefinition, ...], int]]]:
        """Yield who has which proxies."""
        proxy = self.chain.runtime.pallet("Proxy")
        assert isinstance(proxy, Proxy)
        return proxy.proxies.items()

    def call_hash(self) -> bytes:
        """Draw the hash of a call, mostly of one that was drawn before."""
        calls = self.seen[-4:]
        return blake2_256(self.rng.choice(calls).encoded()) if calls else bytes(32)
