"""The events of the Collateral pallet; no behaviour. Money is in units of 10⁻¹² THB."""

from pallets.settlement.collateral_types import EpochId, Guarantee, SlotId
from runtime.frame.event import Event
from runtime.primitives.scale import u128
from runtime.primitives.types import AccountId


class CollateralDeposited(Event, index=0):
    """An account put money aside as a deposit or as collateral."""

    who: AccountId
    kind: Guarantee
    amount: u128


class CollateralWithdrawn(Event, index=1):
    """An account took back a part of its deposit or collateral."""

    who: AccountId
    kind: Guarantee
    amount: u128


class MarginCalled(Event, index=2):
    """Less is held of an account than required: so much must come until the end of a slot, or it is
    suspended."""

    who: AccountId
    deposit_missing: u128
    collateral_missing: u128
    due_slot: SlotId


class MarginLifted(Event, index=10):
    """As much is held of an account as is required; the margin call is over."""

    who: AccountId


class Liquidated(Event, index=3):
    """An account's deposit and collateral were taken to pay what it owes."""

    who: AccountId
    deposit: u128
    collateral: u128


class ArrearsOpened(Event, index=4):
    """An account could not pay: it owes what receivers went without and what the default fund paid."""

    epoch: EpochId
    who: AccountId
    receivers: u128
    fund: u128


class ArrearsPaid(Event, index=5):
    """Arrears of an account were paid; `left` is what it still owes of the epoch."""

    epoch: EpochId
    who: AccountId
    amount: u128
    left: u128


class ArrearsWrittenOff(Event, index=6):
    """Arrears of an account will not be paid; receivers and fund bear them."""

    epoch: EpochId
    who: AccountId
    amount: u128


class FundContributed(Event, index=7):
    """An account gave to the default fund."""

    who: AccountId
    amount: u128


class RecoveryClaimed(Event, index=8):
    """A receiver that went without got its part of what debtors have paid since."""

    epoch: EpochId
    who: AccountId
    amount: u128


class RequirementReleased(Event, index=9):
    """Nothing need stand any more for what an account offered in a settled slot."""

    who: AccountId
    amount: u128
