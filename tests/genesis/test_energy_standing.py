"""Who is frozen, or loses its tier or licence, loses the orders that wait; by calls of the whole runtime."""

from collections.abc import Callable, Iterator

import pytest

from pallets.compliance import compliance_errors
from pallets.compliance.compliance import THAW, make_order
from pallets.compliance.compliance_types import LicenceKind, Tier, Withdrawal
from pallets.energy_trading import market_events as events
from pallets.energy_trading.orders import Side
from runtime.frame.dispatch import PalletError
from runtime.frame.fungible import Preservation
from tests.support.chain import BLOCK_TIME_MS
from tests.support.market import (
    LOCAL,
    OFFICERS,
    ZONE,
    current_slot,
    energy,
    home,
    join,
    market_chain,
    order,
)
from tests.support.supervision import PAPER, QUARTER, SALT, freeze, now_ms, travel

BUYER, SELLER = home(0), home(1)
FIRST, SECOND = OFFICERS


@pytest.fixture
def chain() -> Iterator[LOCAL]:
    made = market_chain(2)
    join(made, BUYER, SELLER)
    yield made
    made.close_block()


def refusal(chain: LOCAL, error: type[PalletError]) -> PalletError:
    return chain.pallets.supervision.compliance.error(error)


def withdrawn(chain: LOCAL) -> list[events.OrderWithdrawn]:
    return [one for one in chain.block_events() if isinstance(one, events.OrderWithdrawn)]


def free_of_buyer(chain: LOCAL) -> int:
    return chain.pallets.watt.reducible_balance(BUYER, Preservation.EXPENDABLE)


def licence_of(chain: LOCAL, kind: LicenceKind) -> int:
    compliance = chain.pallets.supervision.compliance
    held = ((one, compliance.licence.get(one)) for one in compliance.licences_of.get(BUYER))
    return next(one for one, found in held if found is not None and found.kind is kind)


def suspend(chain: LOCAL) -> None:
    chain.ok(FIRST, "Compliance.suspend_licence", licence_of(chain, LicenceKind.Trading))


def revoke(chain: LOCAL) -> None:
    chain.ok(FIRST, "Compliance.revoke_licence", licence_of(chain, LicenceKind.Trading))


def lose_tier(chain: LOCAL) -> None:
    chain.ok(FIRST, "Compliance.revoke_kyc", BUYER, Withdrawal.Suspend)


def be_frozen(chain: LOCAL) -> None:
    freeze(chain, BUYER)


@pytest.mark.parametrize(
    ("lose", "error"),
    [
        (be_frozen, compliance_errors.AccountFrozen),
        (lose_tier, compliance_errors.TierTooLow),
        (suspend, compliance_errors.LicenceMissing),
        (revoke, compliance_errors.LicenceMissing),
    ],
)
def test_waiting_order_is_withdrawn_with_the_reason_in_the_next_block(
    chain: LOCAL, lose: Callable[[LOCAL], None], error: type[PalletError]
) -> None:
    slot, before = current_slot(chain) + 3, free_of_buyer(chain)
    order(chain, BUYER, slot, Side.BUY, 100, 30_000)
    order(chain, SELLER, slot, Side.SELL, 100, 20_000)
    lose(chain)
    chain.next_block()
    assert withdrawn(chain) == [events.OrderWithdrawn(0, refusal(chain, error).value())]
    assert free_of_buyer(chain) == before
    assert energy(chain).market.orders.contains(1)


def test_who_is_thawed_before_the_next_block_keeps_its_orders(chain: LOCAL) -> None:
    order(chain, BUYER, current_slot(chain) + 3, Side.BUY, 100, 30_000)
    freeze(chain, BUYER)
    chain.ok(FIRST, "Compliance.propose_order", make_order(THAW, SALT, BUYER))
    chain.ok(SECOND, "Compliance.unfreeze", BUYER, SALT)
    chain.next_block()
    assert withdrawn(chain) == []
    assert energy(chain).market.orders.contains(0)


def test_licence_that_does_not_matter_for_trading_takes_no_order(chain: LOCAL) -> None:
    order(chain, BUYER, current_slot(chain) + 3, Side.BUY, 100, 30_000)
    chain.ok(FIRST, "Compliance.revoke_licence", licence_of(chain, LicenceKind.Generation))
    chain.next_block()
    assert withdrawn(chain) == []
    assert energy(chain).market.orders.contains(0)


def go_to(chain: LOCAL, at_ms: int) -> None:
    """Open the first block whose parent has reached a time."""
    travel(chain, at_ms)
    chain.start_ms = at_ms - chain.number * BLOCK_TIME_MS
    chain.next_block()


def attest(chain: LOCAL, until_ms: int) -> type[PalletError]:
    chain.ok(FIRST, "Compliance.attest_kyc", BUYER, Tier.Enhanced, until_ms, None)
    return compliance_errors.TierTooLow


def renew(chain: LOCAL, until_ms: int) -> type[PalletError]:
    chain.ok(FIRST, "Compliance.issue_licence", BUYER, LicenceKind.Trading, until_ms, PAPER)
    chain.ok(FIRST, "Compliance.revoke_licence", licence_of(chain, LicenceKind.Trading))
    return compliance_errors.LicenceExpired


@pytest.mark.parametrize("end", [attest, renew])
def test_what_expires_takes_the_orders_though_the_gate_closes_in_the_same_block(
    chain: LOCAL, end: Callable[[LOCAL, int], type[PalletError]]
) -> None:
    until = now_ms(chain) + 2 * QUARTER
    error = end(chain, until)
    chain.next_block()
    go_to(chain, until - 2_000)
    slot = current_slot(chain) + 2
    order(chain, BUYER, slot, Side.BUY, 100, 30_000)
    order(chain, SELLER, slot, Side.SELL, 100, 20_000)
    go_to(chain, until + QUARTER)
    assert withdrawn(chain) == [events.OrderWithdrawn(0, refusal(chain, error).value())]
    assert events.NoCross(ZONE, slot) in chain.block_events()
