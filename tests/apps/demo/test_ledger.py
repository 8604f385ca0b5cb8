"""The ledger reads from events what the rules computed, hour by hour, home by home, in whatever order."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from apps.chain.runtime import EventRecord
from apps.chain.values import Variant
from apps.demo.cast import Home
from apps.demo.ledger import Ledger
from apps.demo.outcome import HomeHour, HourOutcome
from apps.demo.replay import compute_outcome
from apps.demo.story import EpochRoot, Measured, Story, TradesRoot
from runtime.primitives.hashing import blake2_256
from runtime.primitives.types import AccountId
from tests.apps.demo.stories import WEEK

ZONE, FIRST_SLOT = 1, 1_000
ACCOUNTS = {AccountId(bytes([place]) * 32): place for place in range(len(WEEK.homes))}
METERS = {
    bytes([place, is_roof]): (place, bool(is_roof)) for place in range(len(WEEK.homes)) for is_roof in (0, 1)
}
FEEDS = {3: "weather/temperature"}


def make_ledger() -> Ledger:
    return Ledger(WEEK, ZONE, ACCOUNTS, METERS, FEEDS)


def event(pallet: str, name: str, **value: Any) -> EventRecord:
    return EventRecord(1, pallet, name, value)


def tell_hour(slot: int, hour: HourOutcome, zone: int = ZONE) -> Iterator[EventRecord]:
    """Yield the events of an hour as the chain deposits them."""
    if hour.price_ticks is not None:
        yield event("Market", "SlotCleared", zone=zone, slot=slot, price=hour.price_ticks)
    rows = [row for who, home in zip(ACCOUNTS, hour.homes, strict=True) for row in tell_trade(who, home)]
    yield event("Market", "OrdersFilled", zone=zone, slot=slot, rows=tuple(rows))
    yield event("Market", "TradesSealed", zone=zone, slot=slot, rows=len(rows), root=bytes([slot % 256]) * 32)
    for place, home in enumerate(hour.homes):
        for is_roof, counted in ((0, (home.load_wh, 0)), (1, (0, home.generated_wh))):
            yield event(
                "Meters",
                "ReadingAccepted",
                meter=bytes([place, is_roof]),
                slot=slot,
                import_wh=counted[0],
                export_wh=counted[1],
            )
    for who, home in zip(ACCOUNTS, hour.homes, strict=True):
        yield from tell_deviation(zone, slot, who, home)
    names = ("netted_wh", "grid_buys_wh", "grid_sells_wh", "grid_cash", "penalties")
    sums = {name: getattr(hour, name) for name in names}
    yield event("Settlement", "SlotSettled", zone=zone, slot=slot, sums=sums)


def tell_trade(who: AccountId, home: HomeHour) -> Iterator[dict[str, Any]]:
    if home.bought_wh:
        paid = {"energy": -home.energy, "fee": home.fee, "wheeling": home.wheeling}
        yield {"who": who, "side": Variant("BUY"), "qty": home.bought_wh, **paid}
    if home.sold_wh:
        owed = {"energy": home.energy, "fee": 0, "wheeling": 0}
        yield {"who": who, "side": Variant("SELL"), "qty": home.sold_wh, **owed}


def tell_deviation(zone: int, slot: int, who: AccountId, home: HomeHour) -> Iterator[EventRecord]:
    key = {"zone": zone, "slot": slot, "who": who, "netted_wh": home.netted_wh}
    if home.deviation_wh > 0:
        yield event("Settlement", "ImbalancePaid", **key, surplus_wh=home.deviation_wh, amount=home.imbalance)
    elif home.deviation_wh < 0:
        yield event(
            "Settlement", "ImbalanceCharged", **key, shortage_wh=-home.deviation_wh, amount=-home.imbalance
        )


def retell(story: Story, homes: Sequence[Home]) -> list[EventRecord]:
    """Return the events of a run, with the accounts and meters of its homes."""
    told = [
        one
        for place, hour in enumerate(story.outcome.hours)
        for one in tell_hour(story.passage.first_slot + place, hour, story.passage.zone)
    ]
    accounts = {who: homes[place].account for who, place in ACCOUNTS.items()}
    meters = {
        meter: (homes[place].roof if is_roof else homes[place].load).id
        for meter, (place, is_roof) in METERS.items()
    }
    return [one._replace(value=_rename(one.value, accounts | meters)) for one in told]


def _rename(value: dict[str, Any], names: Mapping[bytes, bytes]) -> dict[str, Any]:
    """Return an event's fields with other accounts and meters, in its rows too."""
    renamed = {
        key: names[one] if isinstance(one, bytes) and one in names else one for key, one in value.items()
    }
    if isinstance(rows := value.get("rows"), tuple):
        renamed["rows"] = tuple({**row, "who": names[row["who"]]} for row in rows)
    return renamed


HOURS = 48
OUTCOME = compute_outcome(WEEK, HOURS)
EVENTS = [one for place, hour in enumerate(OUTCOME.hours) for one in tell_hour(FIRST_SLOT + place, hour)]


@settings(max_examples=20, deadline=None)
@given(st.binary(min_size=1, max_size=8), st.integers(1, 200))
def test_events_in_any_order_come_to_the_outcome(seed: bytes, size: int) -> None:
    places = sorted(range(len(EVENTS)), key=lambda place: blake2_256(seed + place.to_bytes(4, "little")))
    told = [EVENTS[place] for place in places]
    ledger = make_ledger()
    for number, first in enumerate(range(0, len(told), size)):
        ledger.on_block(number, told[first : first + size])
    assert ledger.make_outcome(FIRST_SLOT, HOURS) == OUTCOME


def test_other_zones_accounts_and_meters_do_not_count() -> None:
    ledger = make_ledger()
    ledger.on_block(1, EVENTS)
    slot = FIRST_SLOT + 8
    ledger.on_block(2, list(tell_hour(slot, OUTCOME.hours[9], zone=ZONE + 1))[:2])
    stranger = AccountId(bytes([200]) * 32)
    row = {"who": stranger, "side": Variant("BUY"), "qty": 5, "energy": 1, "fee": 1, "wheeling": 1}
    ledger.on_block(
        3,
        [
            event("Market", "OrdersFilled", zone=ZONE, slot=slot, rows=(row,)),
            *tell_deviation(ZONE, slot, stranger, OUTCOME.hours[8].homes[0]),
            *tell_deviation(ZONE + 1, slot, next(iter(ACCOUNTS)), OUTCOME.hours[9].homes[0]),
            event("Meters", "ReadingAccepted", meter=b"other", slot=slot, import_wh=9, export_wh=9),
        ],
    )
    assert ledger.make_outcome(FIRST_SLOT, HOURS) == OUTCOME


def test_pages_of_one_order_add_up() -> None:
    ledger, slot = make_ledger(), FIRST_SLOT
    who = next(iter(ACCOUNTS))
    row = {"who": who, "side": Variant("BUY"), "qty": 5, "energy": 70, "fee": 3, "wheeling": 2}
    ledger.on_block(1, [event("Market", "OrdersFilled", zone=ZONE, slot=slot, rows=(row,))] * 2)
    sums = dict.fromkeys(("netted_wh", "grid_buys_wh", "grid_sells_wh", "grid_cash", "penalties"), 0)
    ledger.on_block(2, [event("Settlement", "SlotSettled", zone=ZONE, slot=slot, sums=sums)])
    home = ledger.make_outcome(slot, 1).hours[0].homes[0]
    assert (home.bought_wh, home.energy, home.fee, home.wheeling) == (10, -140, 6, 4)


def test_a_slot_is_settled_with_its_event() -> None:
    ledger = make_ledger()
    ledger.on_block(1, EVENTS[:-1])
    last = FIRST_SLOT + HOURS - 1
    assert not ledger.is_settled(last)
    ledger.on_block(2, EVENTS[-1:])
    assert ledger.is_settled(last)
    assert not ledger.is_settled(last + 1)


def test_roots_fees_and_supervision_are_kept() -> None:
    ledger = make_ledger()
    who = next(iter(ACCOUNTS))
    paid = event("TransactionPayment", "TransactionFeePaid", who=who, actual_fee=7, tip=0)
    netted = {"epoch": 5, "root": bytes(32), "rows": 3, "net_debits": 2, "net_credits": 1}
    ledger.on_block(4, [paid, paid, event("Settlement", "EpochNetted", **netted)])
    ledger.on_block(5, [event("Settlement", "EpochNetted", **{**netted, "rows": 0})])
    ledger.on_block(6, [event("Compliance", "KycAttested"), event("Meters", "ReadingSubstituted")])
    ledger.on_block(7, EVENTS)
    assert ledger.epochs == [EpochRoot(5, bytes(32), 3, 2, 1, 4)], "an epoch without rows paid nothing"
    assert (ledger.fees[who], ledger.transactions, ledger.substituted) == (14, 2, 1)
    assert ledger.supervision == {"Compliance.KycAttested": 1}
    root = TradesRoot(bytes([FIRST_SLOT % 256]) * 32, 0)
    assert ledger.list_trades(FIRST_SLOT, 1) == (root,)
    assert ledger.list_trades(FIRST_SLOT + HOURS, 1) == (None,)


def test_the_oracle_counts_only_where_every_hour_has_a_value() -> None:
    ledger = make_ledger()
    value = {"feed": 3, "round": FIRST_SLOT, "value": 2_150, "count": 3, "spread": 0}
    ledger.on_block(1, [event("Oracle", "Aggregated", **value)])
    ledger.on_block(2, [event("Oracle", "Aggregated", **{**value, "value": 2_160, "count": 4})])
    ledger.on_block(2, [event("Oracle", "Aggregated", **{**value, "feed": 9})])
    assert ledger.list_measured(FIRST_SLOT, 1) == (Measured({"weather/temperature": 2_160}, 4),)
    assert ledger.list_measured(FIRST_SLOT, 2) == ()
