"""The runtime that `wire.json` was recorded against, composed of our pallets at the indices of that file.

Its `Playground` is the mock node's pallet of odd types. Used by the checks only; no chain has it.
"""

from typing import Annotated, Any, NamedTuple, TypeAlias

from pallets.core import weights
from pallets.core.session import Session, SessionConfig
from pallets.core.system import System, SystemConfig
from pallets.core.system_types import make_limits
from pallets.core.timestamp import Timestamp, TimestampConfig
from pallets.core.transaction_payment import TransactionPayment, TransactionPaymentConfig
from pallets.token.balances import Balances, BalancesConfig
from runtime.frame.call import call
from runtime.frame.dispatch import NO_WEIGHT, Origin, PalletError, Weight, ensure_signed
from runtime.frame.extension import Extension
from runtime.frame.pallet import Pallet
from runtime.frame.runtime import Runtime, RuntimeBuilder, RuntimeVersion
from runtime.frame.state import MemoryBackend, State
from runtime.frame.storage import (
    BLAKE2_128,
    BLAKE2_128_CONCAT,
    BLAKE2_256,
    IDENTITY,
    TWOX_64_CONCAT,
    TWOX_128,
    TWOX_256,
    DoubleMap,
    Map,
    NMap,
    storage,
)
from runtime.primitives.scale import MaxLen, Struct, u8, u32, u128
from runtime.primitives.types import AccountId, Hash


class Offer(Struct, path="mock::Offer"):
    owner: AccountId
    amount: u128
    active: bool
    note: bytes
    expires: u32 | None


class Playground(Pallet[None]):
    """A pallet with one of everything."""

    offers: Map[u32, u32 | None] = storage(TWOX_64_CONCAT)
    meters: DoubleMap[AccountId, u32, u32 | None] = storage(BLAKE2_128_CONCAT, TWOX_64_CONCAT)
    by_id: Map[Hash, u32 | None] = storage(IDENTITY)
    triple: NMap[tuple[u32, AccountId, Annotated[bytes, MaxLen(1024)]], u32 | None] = storage(
        IDENTITY, TWOX_64_CONCAT, BLAKE2_128_CONCAT
    )
    opaque1: Map[u32, u32 | None] = storage(BLAKE2_256)
    opaque2: Map[u32, u32 | None] = storage(TWOX_128)
    opaque3: Map[u32, u32 | None] = storage(TWOX_256)
    opaque4: Map[u32, u32 | None] = storage(BLAKE2_128)

    class AnotherWrong(PalletError, index=1):
        """The second thing that can be wrong."""

    @call(1, weight=NO_WEIGHT)
    def store(self, origin: Origin, id: u32, offer: Offer) -> None:  # noqa: A002  # the mock's argument name
        """Do nothing with an offer."""
        ensure_signed(origin)


class MockRuntime(NamedTuple):
    """The runtime with the pallets that checks reach into."""

    runtime: Runtime
    system: System
    playground: Playground


OptionalHash: TypeAlias = Hash | None
METADATA_HASH = Extension(
    "CheckMetadataHash",
    extra=u8,
    additional=OptionalHash,
    implied=lambda _index, _extrinsic: b"\0",
)
"""The extension that current Substrate appends, here without a hash; our chains do not list it."""


def compose(
    *, spec_version: int = 100, transaction_version: int = 1, extra: tuple[Extension, ...] = ()
) -> MockRuntime:
    """Return the runtime over an empty state, with the eight extensions and then the `extra` ones."""
    version = RuntimeVersion("mock", "mock", 1, spec_version, 0, (), transaction_version, 1)
    limits = make_limits(Weight(10**12, 10**7), 5 * 2**20, 75, weights.EXTRINSIC_BASE)
    build = RuntimeBuilder(State(MemoryBackend()))
    system = build.add(System, index=0, name="System", config=SystemConfig(version, limits))
    build.add(Timestamp, index=1, name="Timestamp", config=TimestampConfig(500, system))
    balances = build.add(Balances, index=2, name="Balances", config=BalancesConfig(500, system))
    payment = build.add(
        TransactionPayment,
        index=3,
        name="TransactionPayment",
        config=TransactionPaymentConfig(balances, system, lambda: None, 1, 1),
    )
    build.add(Session, index=4, name="Session", config=SessionConfig(system))
    playground = build.add(Playground, index=9, name="Playground", config=None)
    extensions: tuple[Any, ...] = (*system.extensions(), payment.extension(), *extra)
    return MockRuntime(build.build(version, system, extensions), system, playground)
