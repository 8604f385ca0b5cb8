"""What was delivered against what was traded, in one zone and slot: who owes and who gets what for the rest.

Responsible for deviations, their netting inside the community, the price of what remains and penalties. It
knows neither balances nor how readings came about.

An account's deviation is (export - import) - (sold - bought): above zero it delivered more than it sold. With
netting, M = min(sum of surpluses, sum of shortages) is exchanged inside the community at (feed-in + retail)
over 2, rounded down; the smaller side is netted completely, the larger one in proportion to the deviations,
floor and the Wh that remain one each in list order. The grid buys the rest at feed-in and sells it at retail.
What exceeds a tolerance pays a penalty in basis points of its retail value.

Everything but these roundings of energy and of one price is exact, and all cash, with the grid's and the
penalty pot's, sums to zero: a Wh netted is paid by one account to another at one price.

A slot is settled in pages of any size with the same result: `count_page` over all accounts, then
`start_settling`, `measure_page` over all while `needs_measuring`, and `settle_page`.
"""

from collections.abc import Sequence
from typing import NamedTuple

from pallets.energy_trading.units import (
    ENERGY_MAX_WH,
    FEE_MAX_BPS,
    PRICE_MAX_TICKS,
    compute_fee,
    compute_value,
)
from runtime.primitives.arithmetic import ensure_within
from runtime.primitives.proportion import Proportion, measure, share, start_sharing

WHOLE_PERMILLE = 1_000


class FeedInAboveRetail(ValueError):
    """The grid would pay more for energy than it asks."""


class Terms(NamedTuple):
    """Prices of the grid in ticks, the tolerance, the penalty, and whether the community nets first.

    The tolerance is the larger of a share of the contract and an absolute amount.
    """

    feed_in_ticks: int
    retail_ticks: int
    tolerance_permille: int
    tolerance_min_wh: int
    penalty_bps: int
    has_netting: bool

    def ensure_valid(self) -> None:
        """Raise FeedInAboveRetail, or Underflow or Overflow where a value is outside its range."""
        ensure_within(self.feed_in_ticks, PRICE_MAX_TICKS)
        ensure_within(self.retail_ticks, PRICE_MAX_TICKS)
        ensure_within(self.tolerance_permille, WHOLE_PERMILLE)
        ensure_within(self.tolerance_min_wh, ENERGY_MAX_WH)
        ensure_within(self.penalty_bps, FEE_MAX_BPS)
        if self.feed_in_ticks > self.retail_ticks:
            raise FeedInAboveRetail(f"feed-in {self.feed_in_ticks}, retail {self.retail_ticks}")

    @property
    def netting_ticks(self) -> int:
        """The price inside the community, rounded down."""
        return (self.feed_in_ticks + self.retail_ticks) // 2


class Delivery(NamedTuple):
    """What an account traded and what its meters counted in a slot, in Wh."""

    bought_wh: int
    sold_wh: int
    import_wh: int
    export_wh: int

    @property
    def deviation_wh(self) -> int:
        """What was delivered beyond the contract; below zero what is missing."""
        return (self.export_wh - self.import_wh) - (self.sold_wh - self.bought_wh)


class Row(NamedTuple):
    """The settlement of one account; cash above zero is received, a penalty is paid."""

    deviation_wh: int
    netted_wh: int
    grid_wh: int
    imbalance_cash: int
    excess_wh: int
    penalty: int

    @property
    def net(self) -> int:
        """What the account receives, or pays if below zero."""
        return self.imbalance_cash - self.penalty


class Sums(NamedTuple):
    """What all accounts together delivered too much and too little, in Wh."""

    surplus_wh: int = 0
    shortage_wh: int = 0


class SettleCursor(NamedTuple):
    """How far a slot has come: both sides' shares of what is netted, and the accounts of the other side."""

    terms: Terms
    netted_wh: int
    surplus: Proportion
    shortage: Proportion
    grid_buys_wh: int = 0
    grid_sells_wh: int = 0
    grid_cash: int = 0
    penalty_pot: int = 0

    @property
    def needs_measuring(self) -> bool:
        """Answer whether the accounts must be read by `measure_page` before the next `settle_page`."""
        return not (self.surplus.is_measured and self.shortage.is_measured)


def count_page(sums: Sums, page: Sequence[Delivery]) -> Sums:
    """Return the sums after the next page; raises Underflow or Overflow for energy outside u64."""
    surplus_wh, shortage_wh = sums
    for delivery in page:
        for energy_wh in delivery:
            ensure_within(energy_wh, ENERGY_MAX_WH)
        deviation_wh = delivery.deviation_wh
        if deviation_wh > 0:
            surplus_wh += deviation_wh
        else:
            shortage_wh -= deviation_wh
    return Sums(surplus_wh, shortage_wh)


def start_settling(terms: Terms, sums: Sums) -> SettleCursor:
    """Return the cursor before the first page; raises what `Terms.ensure_valid` raises."""
    terms.ensure_valid()
    netted_wh = min(sums) if terms.has_netting else 0
    return SettleCursor(
        terms,
        netted_wh,
        start_sharing(netted_wh, sums.surplus_wh),
        start_sharing(netted_wh, sums.shortage_wh),
    )


def measure_page(cursor: SettleCursor, page: Sequence[Delivery]) -> SettleCursor:
    """Return the cursor after the next page of the first reading."""
    surpluses, shortages = _weigh(page)
    return cursor._replace(
        surplus=measure(cursor.surplus, surpluses), shortage=measure(cursor.shortage, shortages)
    )


def settle_page(cursor: SettleCursor, page: Sequence[Delivery]) -> tuple[list[Row], SettleCursor]:
    """Return the settlement of the next page of accounts and the cursor after it."""
    terms = cursor.terms
    surpluses, shortages = _weigh(page)
    gained, surplus = share(cursor.surplus, surpluses)
    lost, shortage = share(cursor.shortage, shortages)
    _, _, _, _, buys_wh, sells_wh, grid_cash, pot = cursor
    rows = []
    for delivery, given_wh, taken_wh in zip(page, gained, lost, strict=True):
        row = _settle(terms, delivery, given_wh + taken_wh)
        rows.append(row)
        if row.deviation_wh > 0:
            buys_wh += row.grid_wh
            grid_cash -= compute_value(row.grid_wh, terms.feed_in_ticks)
        else:
            sells_wh += row.grid_wh
            grid_cash += compute_value(row.grid_wh, terms.retail_ticks)
        pot += row.penalty
    return rows, SettleCursor(terms, cursor.netted_wh, surplus, shortage, buys_wh, sells_wh, grid_cash, pot)


def settle(terms: Terms, deliveries: Sequence[Delivery]) -> tuple[list[Row], SettleCursor]:
    """Return the settlement of a whole slot at once, and the cursor with the grid's and the pot's sums."""
    cursor = start_settling(terms, count_page(Sums(), deliveries))
    if cursor.needs_measuring:
        cursor = measure_page(cursor, deliveries)
    return settle_page(cursor, deliveries)


def compute_penalty(terms: Terms, delivery: Delivery) -> tuple[int, int]:
    """Return the Wh beyond the tolerance, and what they cost."""
    contract_wh = abs(delivery.sold_wh - delivery.bought_wh)
    tolerance_wh = max(contract_wh * terms.tolerance_permille // WHOLE_PERMILLE, terms.tolerance_min_wh)
    excess_wh = max(0, abs(delivery.deviation_wh) - tolerance_wh)
    return excess_wh, compute_fee(excess_wh, terms.retail_ticks, terms.penalty_bps)


def _weigh(page: Sequence[Delivery]) -> tuple[list[int], list[int]]:
    deviations = [delivery.deviation_wh for delivery in page]
    return [max(one, 0) for one in deviations], [max(-one, 0) for one in deviations]


def _settle(terms: Terms, delivery: Delivery, netted_wh: int) -> Row:
    deviation_wh = delivery.deviation_wh
    size_wh = abs(deviation_wh)
    grid_wh = size_wh - netted_wh
    cash = compute_value(netted_wh, terms.netting_ticks)
    if deviation_wh > 0:
        cash += compute_value(grid_wh, terms.feed_in_ticks)
    else:
        cash = -cash - compute_value(grid_wh, terms.retail_ticks)
    excess_wh, penalty = compute_penalty(terms, delivery)
    return Row(deviation_wh, netted_wh, grid_wh, cash, excess_wh, penalty)
