"""A composed runtime with funded accounts, driven block by block, for tests of pallets.

It dispatches calls straight through the runtime's dispatcher, or as signed extrinsics through the executive.
It knows no consensus, no pool and no disk.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any, Generic, Protocol, TypeVar

from genesis.consortium import (
    EXISTENTIAL_DEPOSIT,
    UNIT,
    WATT,
    WATT_MINIMUM,
    Consortium,
    ConsortiumGenesis,
    ConsortiumParameters,
    compose,
    make_version,
    write_genesis,
)
from genesis.pots import GRID_POTS, watt_pots
from pallets.core.session import SessionKeys
from pallets.core.timestamp import INHERENT_ID, TIME_ENGINE
from pallets.token.reserve_types import SATANG, GenesisReserve, ReserveReport
from runtime.frame.call import Call
from runtime.frame.dispatch import (
    ROOT,
    DispatchError,
    DispatchErrorValue,
    Origin,
    PostDispatchInfo,
    Signed,
)
from runtime.frame.dispatcher import Dispatched
from runtime.frame.event import Event
from runtime.frame.executive import Applied
from runtime.frame.extension import Extrinsic
from runtime.frame.runtime_api import RuntimeApi
from runtime.frame.state import Change, MemoryBackend, State
from runtime.primitives.block import DigestItem, PreRuntime
from runtime.primitives.crypto import Keypair, Scheme, verify
from runtime.primitives.era import IMMORTAL, Era, encode_era
from runtime.primitives.extrinsic import AddressId, MultiAddress, seal_envelope
from runtime.primitives.hashing import blake2_256
from runtime.primitives.scale import encode_compact
from runtime.primitives.shape import shape_of
from runtime.primitives.tree import Tree
from runtime.primitives.types import AccountId, Hash

BLOCK_TIME_MS = 1_000
START_MS = 1_700_000_000_000
ENDOWMENT = 1_000 * UNIT
MILLI = EXISTENTIAL_DEPOSIT
"""The existential deposit, a thousandth of a token."""

_MULTI_ADDRESS = shape_of(MultiAddress)


@cache
def keypair(uri: str) -> Keypair:
    return Keypair.from_uri(uri, Scheme.SR25519)


def account(uri: str) -> AccountId:
    return AccountId(keypair(uri).account_id)


ALICE, BOB, CHARLIE, DAVE, EVE, FERDIE = (
    account(f"//{name}") for name in ("Alice", "Bob", "Charlie", "Dave", "Eve", "Ferdie")
)
NAMED = (ALICE, BOB, CHARLIE, DAVE, EVE)
"""Accounts with an endowment; Ferdie has nothing."""
POTS = tuple((pot, EXISTENTIAL_DEPOSIT) for pot in GRID_POTS.values())
WATT_POTS = tuple((pot, WATT_MINIMUM) for pot in watt_pots((1,)).values())
"""What every genesis endows besides."""
WATT_WITH_POTS = replace(WATT, holders=WATT_POTS)
POTS_REPORT = ReserveReport(0, b"Bank", WATT_MINIMUM * len(WATT_POTS) // SATANG, 0, Hash(bytes(32)))
"""What covers the pots."""


def signed(who: AccountId) -> Signed:
    return Signed(who)


class Composed(Protocol):
    @property
    def api(self) -> RuntimeApi: ...


C = TypeVar("C", bound=Composed)
Failure = DispatchError | type[DispatchError]


def error_value(error: Failure) -> DispatchErrorValue:
    return error.value() if isinstance(error, DispatchError) else error().value()  # type: ignore[call-arg]  # bound errors take no argument


def block_hash(number: int) -> Hash:
    return Hash(blake2_256(b"block" + number.to_bytes(4, "little")))


class Chain(Generic[C]):
    """A chain of one composition with an open block; `pallets` is what the composition returns.

    Over a backend that holds a state already, `number` is that of its last block. Block n is of the time
    `start_ms` plus n seconds.
    """

    def __init__(
        self,
        composition: Callable[[State], C],
        genesis: Callable[[C], None],
        backend: MemoryBackend | None = None,
        number: int = 0,
    ) -> None:
        self.backend = MemoryBackend() if backend is None else backend
        self.state = State(self.backend)
        self.pallets = composition(self.state)
        self.api = self.pallets.api
        self.runtime = self.api.runtime
        self.number = number
        self.start_ms = START_MS
        self._mark = 0
        genesis(self.pallets)
        self.backend.apply(self.state.drain())
        self.open_block()

    # --- blocks

    def open_block(self, logs: tuple[DigestItem, ...] = (), *, inherents: bool = True) -> None:
        """Open the next block and apply the inherents."""
        self.number += 1
        now = (self.start_ms + self.number * BLOCK_TIME_MS).to_bytes(8, "little")
        if inherents:
            logs = (PreRuntime(TIME_ENGINE, now), *logs)
        self.api.initialize_block(self.number, block_hash(self.number - 1), logs)
        if inherents:
            for raw in self.api.inherents({INHERENT_ID: now}):
                assert self.apply(self.api.decode_extrinsic(raw)).error is None
        self._mark = len(self.state.events)

    def close_block(self) -> tuple[DigestItem, ...]:
        """Close the open block, check every pallet's state and commit; return the digest."""
        digest = self.api.finalize_block()
        self.api.try_state()
        self.backend.apply(self.state.drain())
        return digest

    def next_block(self, count: int = 1) -> tuple[DigestItem, ...]:
        """Close the open block and open the next, `count` times; return the digest last closed."""
        digest: tuple[DigestItem, ...] = ()
        for _ in range(count):
            digest = self.close_block()
            self.open_block()
        return digest

    def root(self) -> bytes:
        """Return the state root of the last closed block."""
        return bytes(Tree.from_items(self.backend.entries.items()).root)

    # --- calls

    def call(self, name: str, *args: Any) -> Call:
        """Return a call by `Pallet.name` after a round trip through its bytes; account ids become
        addresses."""
        pallet, method = name.split(".")
        made = self.runtime.calls.make(pallet, method, *args)
        parts = [
            AddressId(AccountId(arg)) if shape == _MULTI_ADDRESS and isinstance(arg, bytes) else arg
            for (_, shape), arg in zip(made.spec.parameters, args, strict=True)
        ]
        made = Call(made.spec, tuple(parts))
        decoded: Call = self.runtime.calls.codec.decode(made.encoded())
        assert decoded == made, f"{name} does not survive a round trip"
        return decoded

    def dispatch(self, origin: Origin | AccountId, call: Call) -> Dispatched:
        """Dispatch a call in the open block; an account id means that it signed."""
        self._mark = len(self.state.events)
        resolved: Origin = Signed(AccountId(origin)) if isinstance(origin, bytes) else origin
        return self.runtime.executive.dispatcher.dispatch(call, resolved)

    def assert_ok(self, origin: Origin | AccountId, call: Call) -> PostDispatchInfo:
        """Dispatch a call that must succeed."""
        post, error = self.dispatch(origin, call)
        assert error is None, f"{call} failed: {error}"
        if post.actual_weight is not None:
            assert post.actual_weight.fits(call.weight()), f"{call} used more weight than it declared"
        return post

    def ok(self, origin: Origin | AccountId, name: str, *args: Any) -> PostDispatchInfo:
        """Make and dispatch a call that must succeed."""
        return self.assert_ok(origin, self.call(name, *args))

    def assert_noop(self, origin: Origin | AccountId, call: Call, error: Failure) -> None:
        """Dispatch a call that must fail with an error and leave neither change nor event."""
        before, events = self.state.pending(), list(self.state.events)
        found = self.dispatch(origin, call).error
        assert found == error_value(error), f"{call}: {found}"
        assert self.state.pending() == before, f"{call} failed and changed the state"
        assert self.state.events == events, f"{call} failed and left events"

    def noop(self, error: Failure, origin: Origin | AccountId, name: str, *args: Any) -> None:
        """Make and dispatch a call that must fail."""
        self.assert_noop(origin, self.call(name, *args), error)

    def events(self) -> list[Event]:
        """Return the events of the last call or extrinsic, or since the block was opened."""
        return [record.event for record in self.state.events[self._mark :]]

    def block_events(self) -> list[Event]:
        """Return the events of the open block so far, those of its hooks included."""
        return [record.event for record in self.state.events]

    def pending(self) -> list[Change]:
        """Return the changes of the open block so far."""
        return self.state.pending()

    # --- extrinsics

    def sign(
        self,
        pair: Keypair,
        call: Call,
        *,
        tip: int = 0,
        nonce: int | None = None,
        era: Era = IMMORTAL,
    ) -> Extrinsic:
        """Return a call as an extrinsic signed by a key pair."""
        who = AccountId(pair.account_id)
        number = self.api.call("AccountNonceApi_account_nonce", who) if nonce is None else b""
        used = int.from_bytes(number, "little") if nonce is None else nonce
        extra = encode_era(era) + encode_compact(used) + encode_compact(tip)
        unsigned = seal_envelope(
            who, pair.scheme, bytes(65 if pair.scheme is Scheme.ECDSA else 64), extra, call.encoded()
        )
        job = self.api.signature_job(self.api.decode_extrinsic(unsigned))
        raw = seal_envelope(who, pair.scheme, pair.sign(job.message), extra, call.encoded())
        extrinsic = self.api.decode_extrinsic(raw)
        assert verify(*self.api.signature_job(extrinsic))
        return extrinsic

    def apply(self, extrinsic: Extrinsic) -> Applied:
        """Apply an extrinsic in the open block."""
        self._mark = len(self.state.events)
        return self.api.apply(extrinsic)

    def submit(self, uri: str, call: Call, *, tip: int = 0) -> Applied:
        """Sign a call with a development key, validate and apply it."""
        extrinsic = self.sign(keypair(uri), call, tip=tip)
        self.api.validate(extrinsic)
        return self.apply(extrinsic)


def genesis_of(*endowed: tuple[AccountId, int]) -> ConsortiumGenesis:
    """Return a genesis with these balances, pots, and Alice as the only validator and superuser."""
    keys = SessionKeys(Keypair.from_uri("//Alice", Scheme.ED25519).public)
    return ConsortiumGenesis(
        balances=(*endowed, *POTS),
        validators=((ALICE, keys),),
        sudo=ALICE,
        assets=(WATT_WITH_POTS,),
        reserve=GenesisReserve((), POTS_REPORT),
    )


def consortium_chain(spec_version: int | None = None) -> Chain[Consortium]:
    """Return a consortium chain in block 1 with `ENDOWMENT` on each of `NAMED`."""
    version = make_version() if spec_version is None else make_version(spec_version)
    genesis = genesis_of(*((who, ENDOWMENT) for who in NAMED))
    return Chain(
        lambda state: compose(state, ConsortiumParameters(has_sudo=True), version),
        lambda chain: write_genesis(chain, genesis),
    )


def dispatch_root(chain: Chain[Any], name: str, *args: Any) -> PostDispatchInfo:
    """Make a call as Root that must succeed."""
    return chain.ok(ROOT, name, *args)
