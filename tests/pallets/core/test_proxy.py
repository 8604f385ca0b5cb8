"""Proxy: delegates act within their type and after their delay, permissions never grow, deposits follow."""

from dataclasses import replace

import pytest

from genesis.consortium import UNIT, Consortium
from genesis.proxy_types import ProxyType
from pallets.core.proxy import PENDING_MAX, PROXIES_MAX, Announcement, Proxy, ProxyDefinition
from runtime.frame.call import Call, call
from runtime.frame.dispatch import (
    NO_WEIGHT,
    NOBODY,
    ROOT,
    BadOrigin,
    CannotLookup,
    DispatchClass,
    Origin,
    Signed,
    TokenFailure,
    TokenReason,
)
from runtime.frame.pallet import Pallet
from runtime.frame.runtime import RuntimeBuilder
from runtime.primitives.extrinsic import AddressId, AddressRaw
from runtime.primitives.hashing import blake2_256, twox64_concat, twox128
from runtime.primitives.scale import u8
from runtime.primitives.types import AccountId, Hash
from tests.support.chain import ALICE, BOB, CHARLIE, DAVE, EVE, FERDIE, Chain, error_value

LOCAL = Chain[Consortium]
NO_FUNDS = TokenFailure(TokenReason.FundsUnavailable)
ANY, NON_TRANSFER, CANCEL, ASSETS = ProxyType


def proxy(chain: LOCAL) -> Proxy:
    found = chain.runtime.pallet("Proxy")
    assert isinstance(found, Proxy)
    return found


def pay(chain: LOCAL, amount: int = UNIT) -> Call:
    return chain.call("Balances.transfer_keep_alive", FERDIE, amount)


def free(chain: LOCAL, who: AccountId) -> int:
    return chain.pallets.system.get_account(who).data.free


def reserved(chain: LOCAL, who: AccountId) -> int:
    return chain.pallets.balances.reserved_balance(who)


def proxy_deposit(chain: LOCAL, count: int) -> int:
    config = proxy(chain).config
    return config.proxy_deposit_base + count * config.proxy_deposit_factor


def announcement_deposit(chain: LOCAL, count: int) -> int:
    config = proxy(chain).config
    return config.announcement_deposit_base + count * config.announcement_deposit_factor


def filtered(chain: LOCAL) -> Proxy.ProxyExecuted:
    return Proxy.ProxyExecuted(chain.pallets.system.call_filtered().value())


def hash_of(call: Call) -> Hash:
    return Hash(blake2_256(call.encoded()))


def many(count: int) -> list[AccountId]:
    return [AccountId(i.to_bytes(32, "big")) for i in range(1, count + 1)]


# --- permissions


def test_added_proxy_is_stored_announced_and_paid_for(chain: LOCAL) -> None:
    chain.ok(ALICE, "Proxy.add_proxy", BOB, ANY, 0)
    assert chain.events()[-1] == Proxy.ProxyAdded(ALICE, BOB, ANY, 0)
    assert proxy(chain).proxies.get(ALICE) == ((ProxyDefinition(BOB, ANY, 0),), proxy_deposit(chain, 1))
    assert reserved(chain, ALICE) == proxy_deposit(chain, 1)


def test_proxies_are_sorted_by_delegate_type_and_delay(chain: LOCAL) -> None:
    wanted = [(CHARLIE, ANY, 3), (BOB, CANCEL, 0), (BOB, ANY, 9), (CHARLIE, ANY, 1)]
    for delegate, kind, delay in wanted:
        chain.ok(ALICE, "Proxy.add_proxy", delegate, kind, delay)
    found = [(d.delegate, d.proxy_type, d.delay) for d in proxy(chain).proxies.get(ALICE)[0]]
    assert found == sorted(wanted)
    assert reserved(chain, ALICE) == proxy_deposit(chain, 4)


def test_same_permission_is_not_given_twice_nor_to_oneself(chain: LOCAL) -> None:
    chain.ok(ALICE, "Proxy.add_proxy", BOB, ANY, 0)
    chain.noop(proxy(chain).Duplicate, ALICE, "Proxy.add_proxy", BOB, ANY, 0)
    chain.noop(proxy(chain).NoSelfProxy, ALICE, "Proxy.add_proxy", ALICE, ANY, 0)
    chain.ok(ALICE, "Proxy.add_proxy", BOB, ANY, 1)


def test_account_has_as_many_proxies_as_the_limit_and_not_one_more(chain: LOCAL) -> None:
    *most, last = many(PROXIES_MAX + 1)
    for delegate in most:
        chain.ok(ALICE, "Proxy.add_proxy", delegate, ANY, 0)
    chain.noop(proxy(chain).TooMany, ALICE, "Proxy.add_proxy", last, ANY, 0)


def test_proxy_must_be_affordable(chain: LOCAL) -> None:
    chain.ok(ROOT, "Balances.force_set_balance", EVE, UNIT // 10)
    chain.noop(chain.pallets.balances.InsufficientBalance, EVE, "Proxy.add_proxy", BOB, ANY, 0)
    chain.noop(chain.pallets.balances.InsufficientBalance, EVE, "Proxy.create_pure", ANY, 0, 0)


def test_removed_proxy_gives_its_deposit_back(chain: LOCAL) -> None:
    chain.ok(ALICE, "Proxy.add_proxy", BOB, ANY, 0)
    chain.ok(ALICE, "Proxy.add_proxy", CHARLIE, CANCEL, 5)
    for absent in ((BOB, ANY, 1), (BOB, CANCEL, 0), (DAVE, ANY, 0)):
        chain.noop(proxy(chain).NotFound, ALICE, "Proxy.remove_proxy", *absent)
    chain.ok(ALICE, "Proxy.remove_proxy", BOB, ANY, 0)
    assert chain.events()[-1] == Proxy.ProxyRemoved(ALICE, BOB, ANY, 0)
    assert reserved(chain, ALICE) == proxy_deposit(chain, 1)
    chain.ok(ALICE, "Proxy.remove_proxy", CHARLIE, CANCEL, 5)
    assert reserved(chain, ALICE) == 0
    assert not proxy(chain).proxies.contains(ALICE)
    chain.noop(proxy(chain).NotFound, ALICE, "Proxy.remove_proxy", CHARLIE, CANCEL, 5)


def test_all_proxies_are_removed_at_once(chain: LOCAL) -> None:
    chain.ok(ALICE, "Proxy.add_proxy", BOB, ANY, 0)
    chain.ok(ALICE, "Proxy.add_proxy", CHARLIE, ANY, 0)
    chain.ok(ALICE, "Proxy.remove_proxies")
    assert reserved(chain, ALICE) == 0
    chain.noop(proxy(chain).NotProxy, BOB, "Proxy.proxy", ALICE, None, pay(chain))
    chain.ok(DAVE, "Proxy.remove_proxies")


# --- acting


def test_proxy_acts_for_its_account_at_once(chain: LOCAL) -> None:
    chain.ok(ALICE, "Proxy.add_proxy", BOB, ANY, 0)
    before = free(chain, ALICE)
    call = chain.call("Proxy.proxy", ALICE, None, pay(chain))
    post = chain.assert_ok(BOB, call)
    assert (free(chain, FERDIE), free(chain, ALICE)) == (UNIT, before - UNIT)
    assert chain.events()[-1] == Proxy.ProxyExecuted(None)
    assert post.actual_weight == call.weight()


def test_failure_of_the_call_is_reported_and_rolled_back(chain: LOCAL) -> None:
    chain.ok(ALICE, "Proxy.add_proxy", BOB, ANY, 0)
    batch = chain.call("Utility.batch_all", (pay(chain), pay(chain, 10**9 * UNIT)))
    chain.ok(BOB, "Proxy.proxy", ALICE, None, batch)
    assert chain.events() == [Proxy.ProxyExecuted(error_value(NO_FUNDS))]
    assert free(chain, FERDIE) == 0


def test_only_a_proxy_acts_and_only_as_the_type_it_has(chain: LOCAL) -> None:
    error = proxy(chain).NotProxy
    chain.noop(error, BOB, "Proxy.proxy", ALICE, None, pay(chain))
    chain.ok(ALICE, "Proxy.add_proxy", BOB, NON_TRANSFER, 0)
    chain.noop(error, ALICE, "Proxy.proxy", BOB, None, pay(chain))
    chain.noop(error, CHARLIE, "Proxy.proxy", ALICE, None, pay(chain))
    chain.noop(error, BOB, "Proxy.proxy", ALICE, ANY, pay(chain))
    remark = chain.call("System.remark", b"")
    chain.ok(BOB, "Proxy.proxy", ALICE, NON_TRANSFER, remark)
    assert chain.events() == [Proxy.ProxyExecuted(None)]


def test_delayed_proxy_cannot_act_at_once(chain: LOCAL) -> None:
    chain.ok(ALICE, "Proxy.add_proxy", BOB, ANY, 1)
    chain.noop(proxy(chain).Unannounced, BOB, "Proxy.proxy", ALICE, None, pay(chain))


@pytest.mark.parametrize(
    ("kind", "name", "args", "is_allowed"),
    [
        (NON_TRANSFER, "System.remark", (b"",), True),
        (NON_TRANSFER, "Balances.transfer_keep_alive", (FERDIE, 1), False),
        (NON_TRANSFER, "Balances.burn", (1, False), False),
        (NON_TRANSFER, "Proxy.add_proxy", (DAVE, NON_TRANSFER, 0), True),
        (NON_TRANSFER, "Proxy.add_proxy", (DAVE, CANCEL, 0), True),
        (NON_TRANSFER, "Proxy.add_proxy", (DAVE, ANY, 0), False),
        (NON_TRANSFER, "Proxy.add_proxy", (DAVE, ASSETS, 0), False),
        (NON_TRANSFER, "Proxy.remove_proxy", (BOB, NON_TRANSFER, 0), True),
        (NON_TRANSFER, "Proxy.remove_proxy", (CHARLIE, ANY, 0), False),
        (NON_TRANSFER, "Proxy.remove_proxies", (), False),
        (NON_TRANSFER, "Proxy.kill_pure", (ALICE, ANY, 0, 1, 1), False),
        (CANCEL, "Proxy.reject_announcement", (CHARLIE, bytes(32)), True),
        (CANCEL, "Proxy.remove_announcement", (CHARLIE, bytes(32)), False),
        (CANCEL, "System.remark", (b"",), False),
        (CANCEL, "Proxy.add_proxy", (DAVE, CANCEL, 0), False),
        (ASSETS, "Balances.transfer_keep_alive", (FERDIE, 1), False),
        (ASSETS, "Utility.batch", ((),), True),
        (ASSETS, "System.remark", (b"",), False),
        (ANY, "Balances.transfer_keep_alive", (FERDIE, UNIT), True),
        (ANY, "Proxy.add_proxy", (DAVE, ANY, 0), True),
        (ANY, "Proxy.remove_proxies", (), True),
    ],
)
def test_type_of_a_proxy_says_what_it_may_do(
    chain: LOCAL, kind: ProxyType, name: str, args: tuple[object, ...], is_allowed: bool
) -> None:
    chain.ok(ALICE, "Proxy.add_proxy", BOB, kind, 0)
    chain.ok(ALICE, "Proxy.add_proxy", CHARLIE, ANY, 0)
    chain.ok(BOB, "Proxy.proxy", ALICE, kind, chain.call(name, *args))
    assert (chain.events()[-1] == filtered(chain)) != is_allowed


def test_limits_of_a_proxy_hold_for_calls_within_calls(chain: LOCAL) -> None:
    chain.ok(ALICE, "Proxy.add_proxy", BOB, NON_TRANSFER, 0)
    batch = chain.call("Utility.batch_all", (pay(chain),))
    chain.ok(BOB, "Proxy.proxy", ALICE, None, batch)
    assert chain.events() == [filtered(chain)]
    derived = chain.call("Utility.as_derivative", 0, pay(chain))
    chain.ok(BOB, "Proxy.proxy", ALICE, None, derived)
    assert chain.events() == [filtered(chain)]


def test_proxy_of_a_proxy_gets_a_fresh_origin(chain: LOCAL) -> None:
    chain.ok(ALICE, "Proxy.add_proxy", BOB, NON_TRANSFER, 0)
    chain.ok(CHARLIE, "Proxy.add_proxy", ALICE, ANY, 0)
    inner = chain.call("Proxy.proxy", CHARLIE, None, pay(chain))
    chain.ok(BOB, "Proxy.proxy", ALICE, None, inner)
    assert free(chain, FERDIE) == UNIT


def test_filters_of_the_sender_do_not_follow_to_the_account(chain: LOCAL) -> None:
    chain.ok(ALICE, "Proxy.add_proxy", BOB, ANY, 0)
    narrow = Signed(BOB, (lambda c: c.spec.pallet == "Proxy",))
    chain.ok(narrow, "Proxy.proxy", ALICE, None, pay(chain))
    assert free(chain, FERDIE) == UNIT


def test_class_and_weight_follow_the_call(chain: LOCAL) -> None:
    inherent = chain.call("Timestamp.set", 1)
    for made in (
        chain.call("Proxy.proxy", ALICE, None, inherent),
        chain.call("Proxy.proxy_announced", BOB, ALICE, None, inherent),
    ):
        assert made.info().class_ is DispatchClass.Mandatory
        assert made.weight().ref_time > inherent.weight().ref_time
    long = chain.call("System.remark", bytes(10_000))
    announced = chain.call("Proxy.proxy_announced", BOB, ALICE, None, long)
    at_once = chain.call("Proxy.proxy", BOB, None, long)
    assert announced.weight().ref_time > at_once.weight().ref_time


# --- announcements


def test_announced_call_is_made_after_the_delay_and_not_before(chain: LOCAL) -> None:
    chain.ok(ALICE, "Proxy.add_proxy", BOB, ANY, 2)
    call = pay(chain)
    chain.ok(BOB, "Proxy.announce", ALICE, hash_of(call))
    assert chain.events()[-1] == Proxy.Announced(ALICE, BOB, hash_of(call))
    assert reserved(chain, BOB) == announcement_deposit(chain, 1)
    make = chain.call("Proxy.proxy_announced", BOB, ALICE, None, call)
    chain.assert_noop(CHARLIE, make, proxy(chain).Unannounced)
    chain.next_block()
    chain.assert_noop(CHARLIE, make, proxy(chain).Unannounced)
    chain.next_block()
    post = chain.assert_ok(CHARLIE, make)
    assert chain.events()[-1] == Proxy.ProxyExecuted(None)
    assert (free(chain, FERDIE), reserved(chain, BOB)) == (UNIT, 0)
    assert post.actual_weight == make.weight()
    chain.assert_noop(CHARLIE, make, proxy(chain).Unannounced)


def test_only_the_announced_call_is_made(chain: LOCAL) -> None:
    chain.ok(ALICE, "Proxy.add_proxy", BOB, ANY, 0)
    chain.ok(DAVE, "Proxy.add_proxy", BOB, ANY, 0)
    chain.ok(BOB, "Proxy.announce", ALICE, hash_of(pay(chain)))
    other = chain.call("Proxy.proxy_announced", BOB, ALICE, None, pay(chain, 2 * UNIT))
    chain.assert_noop(BOB, other, proxy(chain).Unannounced)
    chain.noop(proxy(chain).Unannounced, BOB, "Proxy.proxy_announced", BOB, DAVE, None, pay(chain))
    chain.noop(proxy(chain).NotProxy, BOB, "Proxy.proxy_announced", CHARLIE, ALICE, None, pay(chain))
    chain.noop(proxy(chain).NotProxy, BOB, "Proxy.proxy_announced", BOB, ALICE, CANCEL, pay(chain))
    chain.ok(BOB, "Proxy.proxy_announced", BOB, ALICE, ANY, pay(chain))


def test_only_a_proxy_announces(chain: LOCAL) -> None:
    chain.noop(proxy(chain).NotProxy, BOB, "Proxy.announce", ALICE, Hash(bytes(32)))


def test_proxy_has_as_many_announcements_as_the_limit_and_not_one_more(chain: LOCAL) -> None:
    chain.ok(ALICE, "Proxy.add_proxy", BOB, ANY, 1)
    for number in range(PENDING_MAX):
        chain.ok(BOB, "Proxy.announce", ALICE, Hash(number.to_bytes(32, "big")))
    chain.noop(proxy(chain).TooMany, BOB, "Proxy.announce", ALICE, Hash(bytes(32)))
    assert reserved(chain, BOB) == announcement_deposit(chain, PENDING_MAX)


def test_announcement_must_be_affordable(chain: LOCAL) -> None:
    chain.ok(ALICE, "Proxy.add_proxy", EVE, ANY, 1)
    chain.ok(ROOT, "Balances.force_set_balance", EVE, UNIT // 10)
    error = chain.pallets.balances.InsufficientBalance
    chain.noop(error, EVE, "Proxy.announce", ALICE, Hash(bytes(32)))


@pytest.mark.parametrize("by_proxy", [True, False])
def test_announcement_is_withdrawn_or_rejected(chain: LOCAL, by_proxy: bool) -> None:
    one, two = Hash(bytes([1] * 32)), Hash(bytes([2] * 32))
    for real in (ALICE, DAVE):
        chain.ok(real, "Proxy.add_proxy", BOB, ANY, 1)
        for call_hash in (one, two):
            chain.ok(BOB, "Proxy.announce", real, call_hash)
    sender, name, other = (
        (BOB, "Proxy.remove_announcement", ALICE) if by_proxy else (ALICE, "Proxy.reject_announcement", BOB)
    )
    chain.noop(proxy(chain).NotFound, sender, name, other, Hash(bytes(32)))
    chain.noop(proxy(chain).NotFound, CHARLIE, name, other, one)
    chain.noop(proxy(chain).NotFound, sender, name, CHARLIE, one)
    chain.ok(sender, name, other, one)
    left = proxy(chain).announcements.get(BOB)[0]
    assert left == (Announcement(ALICE, two, 1), Announcement(DAVE, one, 1), Announcement(DAVE, two, 1))
    assert reserved(chain, BOB) == announcement_deposit(chain, 3)


def test_last_announcement_takes_its_entry_along(chain: LOCAL) -> None:
    chain.ok(ALICE, "Proxy.add_proxy", BOB, ANY, 1)
    chain.ok(BOB, "Proxy.announce", ALICE, Hash(bytes(32)))
    chain.ok(ALICE, "Proxy.reject_announcement", BOB, Hash(bytes(32)))
    assert not proxy(chain).announcements.contains(BOB)
    assert reserved(chain, BOB) == 0


# --- pure accounts


def create_pure(chain: LOCAL, index: int = 0) -> AccountId:
    chain.ok(ALICE, "Proxy.create_pure", ANY, 0, index)
    created = chain.events()[-1]
    assert isinstance(created, Proxy.PureCreated)
    return created.pure


def test_pure_account_follows_from_its_creation(chain: LOCAL) -> None:
    pure = create_pure(chain)
    entropy = b"modlpy/proxy____" + ALICE + bytes([1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0])
    assert pure == blake2_256(entropy)
    assert chain.events()[-1] == Proxy.PureCreated(pure, ALICE, ANY, 0)
    assert proxy(chain).proxies.get(pure) == ((ProxyDefinition(ALICE, ANY, 0),), proxy_deposit(chain, 1))
    assert reserved(chain, ALICE) == proxy_deposit(chain, 1)


def test_pure_accounts_of_one_extrinsic_differ_by_index(chain: LOCAL) -> None:
    pure = create_pure(chain)
    chain.noop(proxy(chain).Duplicate, ALICE, "Proxy.create_pure", ANY, 0, 0)
    assert create_pure(chain, 1) != pure


def test_pure_account_acts_through_its_creator_and_dies_by_its_own_hand(chain: LOCAL) -> None:
    pure = create_pure(chain)
    chain.ok(ALICE, "Balances.transfer_keep_alive", pure, 5 * UNIT)
    chain.ok(ALICE, "Proxy.proxy", pure, None, pay(chain))
    assert free(chain, FERDIE) == UNIT
    for wrong in (
        (BOB, ANY, 0, 1, 1),
        (ALICE, ASSETS, 0, 1, 1),
        (ALICE, ANY, 1, 1, 1),
        (ALICE, ANY, 0, 2, 1),
    ):
        chain.noop(proxy(chain).NoPermission, pure, "Proxy.kill_pure", *wrong)
    chain.noop(proxy(chain).NoPermission, ALICE, "Proxy.kill_pure", ALICE, ANY, 0, 1, 1)
    kill = chain.call("Proxy.kill_pure", ALICE, ANY, 0, 1, 1)
    chain.ok(ALICE, "Proxy.proxy", pure, None, kill)
    assert reserved(chain, ALICE) == 0
    assert chain.events()[-2:] == [Proxy.PureKilled(pure, ALICE, ANY, 0), Proxy.ProxyExecuted(None)]
    chain.noop(proxy(chain).NotProxy, ALICE, "Proxy.proxy", pure, None, pay(chain))


class Namesake(Pallet[None]):
    """Has calls of the names that the filter knows, which are none of the proxies' own."""

    @call(0, weight=NO_WEIGHT)
    def add_proxy(self, origin: Origin, delegate: AccountId, proxy_type: u8) -> None:
        """Do nothing."""

    @call(1, weight=NO_WEIGHT)
    def remove_proxies(self, origin: Origin) -> None:
        """Do nothing."""


def test_calls_of_other_pallets_with_the_same_names_are_no_calls_of_this_one(chain: LOCAL) -> None:
    builder = RuntimeBuilder(chain.state)
    namesake = builder.add(Namesake, index=99, name="Namesake", config=None)
    allowed = replace(proxy(chain).config, allows=lambda _kind, _call: True)
    proxy(chain).config = allowed
    chain.ok(ALICE, "Proxy.add_proxy", BOB, ASSETS, 0)
    for name, args in (("add_proxy", (DAVE, 0)), ("remove_proxies", ())):
        inner = namesake.bound_call(name, *args)
        result = chain.runtime.executive.dispatcher.dispatch(
            Call(chain.call("Proxy.proxy", ALICE, None, pay(chain)).spec, (AddressId(ALICE), None, inner)),
            Signed(BOB),
        )
        assert result.error is None
        assert chain.state.events[-1].event == Proxy.ProxyExecuted(None)


# --- origins, addresses, storage


CALLS: list[tuple[str, tuple[object, ...]]] = [
    ("Proxy.add_proxy", (BOB, ANY, 0)),
    ("Proxy.remove_proxy", (BOB, ANY, 0)),
    ("Proxy.remove_proxies", ()),
    ("Proxy.create_pure", (ANY, 0, 0)),
    ("Proxy.kill_pure", (BOB, ANY, 0, 1, 1)),
    ("Proxy.announce", (BOB, bytes(32))),
    ("Proxy.remove_announcement", (BOB, bytes(32))),
    ("Proxy.reject_announcement", (BOB, bytes(32))),
]


@pytest.mark.parametrize("origin", [ROOT, NOBODY])
def test_calls_are_for_signers(chain: LOCAL, origin: Origin) -> None:
    for name, args in CALLS:
        chain.noop(BadOrigin, origin, name, *args)
    chain.noop(BadOrigin, origin, "Proxy.proxy", ALICE, None, pay(chain))
    chain.noop(BadOrigin, origin, "Proxy.proxy_announced", BOB, ALICE, None, pay(chain))


def test_addresses_must_name_an_account(chain: LOCAL) -> None:
    nowhere = AddressRaw(b"x")
    for name, args in CALLS:
        if args and args[0] == BOB:
            chain.noop(CannotLookup, ALICE, name, nowhere, *args[1:])
    chain.noop(CannotLookup, ALICE, "Proxy.proxy", nowhere, None, pay(chain))
    chain.noop(CannotLookup, ALICE, "Proxy.proxy_announced", BOB, nowhere, None, pay(chain))


def test_proxies_are_stored_where_and_how_wallets_read_them(chain: LOCAL) -> None:
    chain.ok(ALICE, "Proxy.add_proxy", BOB, CANCEL, 7)
    chain.ok(BOB, "Proxy.announce", ALICE, Hash(bytes([9] * 32)))
    chain.next_block()
    prefix = twox128(b"Proxy")
    raw = chain.backend.entries[prefix + twox128(b"Proxies") + twox64_concat(ALICE)]
    assert raw == b"\x04" + BOB + b"\x02\x07\0\0\0" + proxy_deposit(chain, 1).to_bytes(16, "little")
    raw = chain.backend.entries[prefix + twox128(b"Announcements") + twox64_concat(BOB)]
    deposit = announcement_deposit(chain, 1).to_bytes(16, "little")
    assert raw == b"\x04" + ALICE + bytes([9] * 32) + b"\x01\0\0\0" + deposit


def test_constants_are_those_of_the_composition(chain: LOCAL) -> None:
    found = {c.name: c.value for c in proxy(chain).constants()}
    config = proxy(chain).config
    assert found == {
        "ProxyDepositBase": config.proxy_deposit_base,
        "ProxyDepositFactor": config.proxy_deposit_factor,
        "MaxProxies": 32,
        "MaxPending": 32,
        "AnnouncementDepositBase": config.announcement_deposit_base,
        "AnnouncementDepositFactor": config.announcement_deposit_factor,
    }


def test_metadata_describes_the_types_of_proxies(chain: LOCAL) -> None:
    metadata = chain.api.call("Metadata_metadata", b"")
    for member in ProxyType:
        assert member.name.encode() in metadata
    assert b"ProxyType" in metadata
