"""A chain with small limits, round prices and a pallet whose calls weigh what they are told, for tests of
weights, lengths, fees and hooks.

It has no timestamp, so that nothing but the tests' own calls and the base weight of a block uses its weight.
"""

from dataclasses import dataclass

from genesis.consortium import make_version
from pallets.core.session import Session, SessionConfig, SessionKeys
from pallets.core.system import System, SystemConfig
from pallets.core.system_types import (
    BlockLength,
    BlockWeights,
    LengthLimits,
    WeightLimits,
    WeightsPerClass,
)
from pallets.core.transaction_payment import (
    FeeDetails,
    RuntimeDispatchInfo,
    TransactionPayment,
    TransactionPaymentConfig,
)
from pallets.token.balances import Balances, BalancesConfig
from runtime.frame.account import lookup
from runtime.frame.call import Call, call
from runtime.frame.dispatch import (
    DispatchClass,
    DispatchError,
    Origin,
    Pays,
    PostDispatchInfo,
    UnavailableValue,
    Weight,
)
from runtime.frame.fungible import Preservation
from runtime.frame.pallet import Pallet
from runtime.frame.runtime import RuntimeBuilder
from runtime.frame.runtime_api import RuntimeApi, account_nonce_api, transaction_payment_api
from runtime.frame.state import State
from runtime.frame.storage import Value, storage
from runtime.frame.validity import ValidTransaction
from runtime.primitives.extrinsic import MultiAddress
from runtime.primitives.scale import u32
from runtime.primitives.types import AccountId
from tests.support.chain import ALICE, BOB, Chain

DEPOSIT = 1_000
"""The existential deposit."""
PURSE = 10**12
"""What Alice and Bob have."""
BASE = Weight(7, 3)
BLOCK_BASE = Weight(100, 10)
BLOCK = Weight(10_000, 20_000)
NORMAL = Weight(7_500, 15_000)
SINGLE = Weight(5_000, 9_000)
OPERATIONAL = Weight(9_900, 19_990)
RESERVED = Weight(2_000, 4_000)
LENGTH_NORMAL, LENGTH = 1_500, 2_000
PER_BYTE = 10
PER_REF_TIME_E6 = 2_500_000
HASHES = 8
"""How many block hashes the chain remembers."""
LIMITS = (
    BlockWeights(
        BLOCK_BASE,
        BLOCK,
        WeightLimits(
            WeightsPerClass(BASE, SINGLE, NORMAL, Weight(0, 0)),
            WeightsPerClass(BASE, Weight(9_000, 18_000), OPERATIONAL, RESERVED),
            WeightsPerClass(BASE, None, None, None),
        ),
    ),
    BlockLength(LengthLimits(LENGTH_NORMAL, LENGTH, LENGTH)),
)


class Work(Pallet[Balances]):
    """Calls that weigh what they are told."""

    ticks: Value[u32] = storage(default=0)

    def _given(self, weight: Weight, _pad: bytes) -> Weight:
        return weight

    def _declared(self, declared: Weight, _used: Weight) -> Weight:
        return declared

    @call(0, weight=_given)
    def normal(self, origin: Origin, weight: Weight, pad: bytes) -> None:
        """Tick."""
        self._tick()

    @call(1, weight=_given, dispatch_class=DispatchClass.Operational)
    def operational(self, origin: Origin, weight: Weight, pad: bytes) -> None:
        """Tick."""
        self._tick()

    @call(2, weight=_given, dispatch_class=DispatchClass.Mandatory)
    def mandatory(self, origin: Origin, weight: Weight, pad: bytes) -> None:
        """Tick, and fail where there is padding."""
        self._tick()
        if pad:
            raise DispatchError(UnavailableValue())

    @call(3, weight=_declared)
    def spare(self, origin: Origin, declared: Weight, used: Weight) -> PostDispatchInfo:
        """Use other weight than declared."""
        self._tick()
        return PostDispatchInfo(used)

    @call(4, weight=_declared)
    def fail(self, origin: Origin, declared: Weight, used: Weight) -> None:
        """Tick and fail, having used some weight."""
        self._tick()
        raise DispatchError(UnavailableValue()).with_post_info(PostDispatchInfo(used))

    @call(5, weight=Weight(400, 5))
    def free_after_all(self, origin: Origin) -> PostDispatchInfo:
        """Cost nothing in the end."""
        return PostDispatchInfo(None, Pays.No)

    @call(6, weight=Weight(400, 5), pays=Pays.No)
    def free(self, origin: Origin) -> None:
        """Cost nothing from the beginning."""

    @call(7, weight=Weight(1_000, 0))
    def give_away(self, origin: Origin, source: MultiAddress, dest: MultiAddress) -> PostDispatchInfo:
        """Give all that an account has to another, for half of the weight declared."""
        who = lookup(source)
        everything = self.config.reducible_balance(who, Preservation.EXPENDABLE)
        self.config.transfer(who, lookup(dest), everything, Preservation.EXPENDABLE)
        return PostDispatchInfo(Weight(500, 0))

    def is_inherent(self, call: Call) -> bool:
        """Tell whether a call is mandatory."""
        return call.spec.pallet_index == self.index and call.spec.name == "mandatory"

    def validate_unsigned(self, call: Call) -> ValidTransaction | None:
        """Anybody may do normal work unsigned."""
        is_normal = call.spec.pallet_index == self.index and call.spec.name == "normal"
        return ValidTransaction(provides=(call.encoded(),)) if is_normal else None

    def _tick(self) -> None:
        self.ticks.put(self.ticks.get() + 1)


@dataclass(frozen=True, slots=True)
class Workshop:
    """The composed pallets."""

    api: RuntimeApi
    system: System
    session: Session
    balances: Balances
    payment: TransactionPayment
    work: Work


def compose_workshop(state: State) -> Workshop:
    build = RuntimeBuilder(state)
    version = make_version()
    system = build.add(System, index=0, name="System", config=SystemConfig(version, LIMITS, HASHES))
    session = build.add(Session, index=9, name="Session", config=SessionConfig(system))
    balances = build.add(Balances, index=10, name="Balances", config=BalancesConfig(DEPOSIT, system))
    prices = TransactionPaymentConfig(balances, system, session.author, PER_BYTE, PER_REF_TIME_E6)
    payment = build.add(TransactionPayment, index=11, name="TransactionPayment", config=prices)
    work = build.add(Work, index=12, name="Work", config=balances)
    runtime = build.build(version, system, (*system.extensions(), payment.extension()))
    apis = (account_nonce_api(system), transaction_payment_api(payment, RuntimeDispatchInfo, FeeDetails))
    return Workshop(RuntimeApi(runtime, session, apis), system, session, balances, payment, work)


def write_genesis(shop: Workshop) -> None:
    shop.system.genesis()
    shop.balances.genesis(((ALICE, PURSE), (BOB, PURSE)))
    shop.session.genesis(((BOB, SessionKeys(bytes(32))), (ALICE, SessionKeys(b"\1" * 32))))
    shop.system.events.kill()


def workshop() -> Chain[Workshop]:
    """Return the chain with block 1 open."""
    return Chain(compose_workshop, write_genesis)


def free(chain: Chain[Workshop], who: AccountId) -> int:
    return chain.pallets.system.get_account(who).data.free
