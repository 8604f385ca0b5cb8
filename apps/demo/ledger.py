"""What the blocks say of the week: events are booked hour by hour and home by home.

Responsible for reading events alone, as anybody can who has the blocks; it asks the chain nothing, and knows
nothing of the plan. Slots outside the week, in which nothing flows, are left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from apps.chain.runtime import EventRecord
from apps.chain.values import Value
from apps.demo.cast import Home
from apps.demo.outcome import HomeHour, HourOutcome, Outcome
from apps.demo.story import EpochRoot, Measured, TradesRoot
from apps.demo.week import Week
from runtime.primitives.types import AccountId

SUPERVISION: Final = frozenset({"Compliance", "Monitoring", "Privacy", "Reports", "WattReserve"})


class Ledger:
    """The events of the blocks so far."""

    def __init__(
        self,
        week: Week,
        zone: int,
        homes: Mapping[AccountId, int],
        meters: Mapping[bytes, tuple[int, bool]],
        feeds: Mapping[int, str],
    ) -> None:
        self._week = week
        self._zone = zone
        self._homes = homes
        self._meters = meters
        self._feeds = feeds
        self._rows: dict[tuple[int, int], HomeHour] = {}
        self._prices: dict[int, int] = {}
        self._sums: dict[int, Value] = {}
        self._trades: dict[int, TradesRoot] = {}
        self._values: dict[int, dict[str, int]] = {}
        self._counts: dict[int, int] = {}
        self.epochs: list[EpochRoot] = []
        self.fees: Counter[bytes] = Counter()
        self.supervision: Counter[str] = Counter()
        self.transactions = 0
        self.substituted = 0
        self._book = {
            ("Market", "SlotCleared"): self._clear,
            ("Market", "OrdersFilled"): self._fill,
            ("Market", "TradesSealed"): self._seal,
            ("Settlement", "ImbalanceCharged"): self._charge,
            ("Settlement", "ImbalancePaid"): self._pay,
            ("Settlement", "SlotSettled"): self._settle,
            ("Settlement", "EpochNetted"): self._net,
            ("Meters", "ReadingAccepted"): self._read,
            ("Meters", "ReadingSubstituted"): self._substitute,
            ("TransactionPayment", "TransactionFeePaid"): self._take_fee,
            ("Oracle", "Aggregated"): self._measure,
        }

    def on_block(self, number: int, events: Sequence[EventRecord]) -> None:
        """Book a block's events."""
        signed = [one.extrinsic for one in events if (one.pallet, one.name) == _FEE_PAID]
        self.transactions += len(signed)
        for event in events:
            if event.pallet in SUPERVISION:
                self.supervision[f"{event.pallet}.{event.name}"] += 1
            book = self._book.get((event.pallet, event.name))
            if book is not None:
                book(number, event.value)

    def is_settled(self, slot: int) -> bool:
        """Tell whether a slot is settled."""
        return slot in self._sums

    def make_outcome(self, first_slot: int, hours: int) -> Outcome:
        """Return what the hours from a slot on came to, all of which are settled."""
        return Outcome(
            self._week.homes, tuple(self._make_hour(first_slot + place, place) for place in range(hours))
        )

    def list_trades(self, first_slot: int, hours: int) -> tuple[TradesRoot | None, ...]:
        """Return the roots of trades of the hours from a slot on."""
        return tuple(self._trades.get(first_slot + place) for place in range(hours))

    def list_measured(self, first_slot: int, hours: int) -> tuple[Measured, ...]:
        """Return what the oracle said in the hours from a slot on; nothing where it was silent in one."""
        slots = range(first_slot, first_slot + hours)
        if any(slot not in self._values for slot in slots):
            return ()
        return tuple(Measured(self._values[slot], self._counts[slot]) for slot in slots)

    def _make_hour(self, slot: int, number: int) -> HourOutcome:
        sums, hour = self._sums[slot], self._week.hour(number)
        homes = tuple(self._row(slot, home) for home in range(len(self._week.homes)))
        return HourOutcome(
            self._week.feed_in_ticks,
            hour.retail_ticks,
            self._prices.get(slot),
            sum(home.bought_wh for home in homes),
            sums["netted_wh"],
            sums["grid_buys_wh"],
            sums["grid_sells_wh"],
            sums["grid_cash"],
            sums["penalties"],
            homes,
        )

    # --- events

    def _row(self, slot: int, home: int) -> HomeHour:
        return self._rows.get((slot, home), HomeHour())

    def _put(self, slot: int, home: int, row: HomeHour) -> None:
        self._rows[slot, home] = row

    def _clear(self, _: int, value: Value) -> None:
        if value["zone"] == self._zone:
            self._prices[value["slot"]] = value["price"]

    def _fill(self, _: int, value: Value) -> None:
        """Book what orders got: who pays is a buyer, with fee and wheeling, who sells is owed the energy."""
        slot = value["slot"]
        for filled in value["rows"]:
            home = self._homes.get(filled["who"])
            if home is None or value["zone"] != self._zone:
                continue
            row = self._row(slot, home)
            qty_wh, energy = filled["qty"], filled["energy"]
            if filled["side"].name == "BUY":
                row = row._replace(
                    bought_wh=row.bought_wh + qty_wh,
                    energy=row.energy - energy,
                    fee=row.fee + filled["fee"],
                    wheeling=row.wheeling + filled["wheeling"],
                )
            else:
                row = row._replace(sold_wh=row.sold_wh + qty_wh, energy=row.energy + energy)
            self._put(slot, home, row)

    def _seal(self, _: int, value: Value) -> None:
        if value["zone"] == self._zone:
            self._trades[value["slot"]] = TradesRoot(value["root"], value["rows"])

    def _charge(self, _: int, value: Value) -> None:
        self._deviate(value, -value["shortage_wh"], -value["amount"])

    def _pay(self, _: int, value: Value) -> None:
        self._deviate(value, value["surplus_wh"], value["amount"])

    def _deviate(self, value: Value, deviation_wh: int, amount: int) -> None:
        home = self._homes.get(value["who"])
        if home is not None and value["zone"] == self._zone:
            row = self._row(value["slot"], home)
            row = row._replace(deviation_wh=deviation_wh, netted_wh=value["netted_wh"], imbalance=amount)
            self._put(value["slot"], home, row)

    def _settle(self, _number: int, value: Value) -> None:
        if value["zone"] == self._zone:
            self._sums[value["slot"]] = value["sums"]

    def _net(self, number: int, value: Value) -> None:
        if value["rows"]:
            epoch, root, rows = value["epoch"], value["root"], value["rows"]
            self.epochs.append(
                EpochRoot(epoch, root, rows, value["net_debits"], value["net_credits"], number)
            )

    def _read(self, _: int, value: Value) -> None:
        found = self._meters.get(value["meter"])
        if found is None:
            return
        home, is_roof = found
        row = self._row(value["slot"], home)
        if is_roof:
            row = row._replace(generated_wh=row.generated_wh + value["export_wh"] - value["import_wh"])
        else:
            row = row._replace(load_wh=row.load_wh + value["import_wh"] - value["export_wh"])
        self._put(value["slot"], home, row)

    def _substitute(self, _: int, __: Value) -> None:
        self.substituted += 1

    def _take_fee(self, _: int, value: Value) -> None:
        self.fees[value["who"]] += value["actual_fee"]

    def _measure(self, _: int, value: Value) -> None:
        """Book a feed's value under its round, which is a slot: their lengths are the same."""
        key = self._feeds.get(value["feed"])
        if key is not None:
            self._values.setdefault(value["round"], {})[key] = value["value"]
            self._counts[value["round"]] = value["count"]


def make_ledger(week: Week, zone: int, homes: Sequence[Home], feeds: Mapping[int, str]) -> Ledger:
    """Return a ledger without a block, for the homes of a week; `feeds` are keys by number."""
    accounts = {home.account: place for place, home in enumerate(homes)}
    meters = {
        device.id: (place, device.is_roof)
        for place, home in enumerate(homes)
        for device in (home.load, home.roof)
    }
    return Ledger(week, zone, accounts, meters, feeds)


_FEE_PAID: Final = ("TransactionPayment", "TransactionFeePaid")
