"""System's transaction extensions: what keeps an extrinsic out of the pool and out of a block, and its
tags."""

from collections.abc import Iterator

import pytest

from pallets.core.system import System
from runtime.frame.account import AccountData, AccountInfo
from runtime.frame.call import Call
from runtime.frame.dispatch import NO_WEIGHT, Weight
from runtime.frame.extension import Extrinsic
from runtime.frame.validity import LONGEVITY_MAX, InvalidReason, InvalidTransaction
from runtime.primitives.crypto import Scheme
from runtime.primitives.era import IMMORTAL, Era, encode_era, mortal_era
from runtime.primitives.extrinsic import seal_envelope
from runtime.primitives.scale import encode_compact
from runtime.primitives.types import ZERO_HASH, AccountId
from tests.support.chain import ALICE, FERDIE, Chain, block_hash, keypair
from tests.support.workshop import LENGTH, LENGTH_NORMAL, SINGLE, Workshop, workshop

SHOP = Chain[Workshop]
OPERATIONAL_SINGLE = Weight(9_000, 18_000)


@pytest.fixture
def shop() -> Iterator[SHOP]:
    made = workshop()
    yield made
    made.close_block()


def system(shop: SHOP) -> System:
    return shop.pallets.system


def work(shop: SHOP, weight: Weight = NO_WEIGHT, name: str = "normal", pad: int = 0) -> Call:
    return shop.call(f"Work.{name}", weight, bytes(pad))


def unsigned_by(shop: SHOP, who: AccountId, *, nonce: int = 0, call: Call | None = None) -> Extrinsic:
    """Return an extrinsic in an account's name whose signature is none: the runtime never looks at it."""
    extra = encode_era(IMMORTAL) + encode_compact(nonce) + encode_compact(0)
    body = (call or work(shop)).encoded()
    return shop.api.decode_extrinsic(seal_envelope(who, Scheme.SR25519, bytes(64), extra, body))


def refuses(shop: SHOP, extrinsic: Extrinsic, reason: InvalidReason, *, when_applied: bool = True) -> None:
    """See an extrinsic refused by the pool and, without a trace, by the block."""
    before, events = shop.pending(), list(shop.state.events)
    for attempt in (shop.api.validate, shop.apply) if when_applied else (shop.api.validate,):
        with pytest.raises(InvalidTransaction) as refused:
            attempt(extrinsic)
        assert refused.value.reason is reason
    assert (shop.pending(), shop.state.events) == (before, events)


# --- CheckNonZeroSender


def test_account_of_zeros_signs_nothing(shop: SHOP) -> None:
    zeros = AccountId(ZERO_HASH)
    system(shop).account.put(zeros, AccountInfo(0, 0, 1, 0, AccountData(1 << 60)))
    shop.pallets.balances.total_issuance.put(shop.pallets.balances.total_issuance.get() + (1 << 60))
    refuses(shop, unsigned_by(shop, zeros), InvalidReason.BadSigner)


# --- CheckSpecVersion, CheckTxVersion, CheckGenesis, CheckMortality


@pytest.mark.parametrize(("era", "birth"), [(IMMORTAL, 0), (mortal_era(4, 2), 2), (mortal_era(4, 4), 4)])
def test_payload_names_versions_genesis_and_birth_block(shop: SHOP, era: Era, birth: int) -> None:
    shop.next_block(4)
    extrinsic = shop.sign(keypair("//Alice"), work(shop), era=era, tip=3)
    version = shop.api.version
    expected = work(shop).encoded() + encode_era(era) + encode_compact(0) + encode_compact(3)
    expected += version.spec_version.to_bytes(4, "little")
    expected += version.transaction_version.to_bytes(4, "little")
    expected += block_hash(0) + block_hash(birth)
    assert shop.runtime.signing_payload(extrinsic) == expected


@pytest.mark.parametrize(
    ("blocks", "era"),
    [
        (4, mortal_era(4, 5)),  # born in the block that is being made
        (18, mortal_era(16, 4)),  # born before the hashes that are kept
    ],
)
def test_birth_block_must_be_among_the_kept_hashes(shop: SHOP, blocks: int, era: Era) -> None:
    shop.next_block(blocks)
    with pytest.raises(InvalidTransaction) as refused:
        shop.sign(keypair("//Alice"), work(shop), era=era)
    assert refused.value.reason is InvalidReason.AncientBirthBlock


@pytest.mark.parametrize(("blocks", "era"), [(18, mortal_era(8, 12)), (18, mortal_era(8, 18))])
def test_era_within_the_kept_hashes_is_taken(shop: SHOP, blocks: int, era: Era) -> None:
    shop.next_block(blocks)
    assert era.birth(shop.number) in {12, 18}
    extrinsic = shop.sign(keypair("//Alice"), work(shop), era=era)
    shop.api.validate(extrinsic)
    assert shop.apply(extrinsic).error is None


def test_transaction_is_valid_until_its_era_ends(shop: SHOP) -> None:
    shop.next_block(4)
    for period, number, left in ((4, 2, 1), (4, 4, 3), (64, 4, 63)):
        extrinsic = shop.sign(keypair("//Alice"), work(shop), era=mortal_era(period, number))
        assert shop.api.validate(extrinsic).longevity == left
    assert shop.api.validate(shop.sign(keypair("//Alice"), work(shop))).longevity == LONGEVITY_MAX


# --- CheckNonce


def tag(nonce: int) -> bytes:
    return ALICE + nonce.to_bytes(4, "little")


@pytest.mark.parametrize(
    ("nonce", "requires"),
    [(5, ()), (6, (tag(5),)), (300, (tag(299),)), ((1 << 32) - 1, (tag((1 << 32) - 2),))],
)
def test_transaction_requires_the_nonce_before_and_provides_its_own(
    shop: SHOP, nonce: int, requires: tuple[bytes, ...]
) -> None:
    set_nonce(shop, 5)
    valid = shop.api.validate(shop.sign(keypair("//Alice"), work(shop), nonce=nonce))
    assert (valid.requires, valid.provides) == (requires, (tag(nonce),))
    assert valid.propagate


def set_nonce(shop: SHOP, nonce: int) -> None:
    info = system(shop).get_account(ALICE)
    system(shop).account.put(
        ALICE, AccountInfo(nonce, info.consumers, info.providers, info.sufficients, info.data)
    )


@pytest.mark.parametrize("nonce", [0, 4])
def test_nonce_that_was_used_is_stale(shop: SHOP, nonce: int) -> None:
    set_nonce(shop, 5)
    refuses(shop, shop.sign(keypair("//Alice"), work(shop), nonce=nonce), InvalidReason.Stale)


@pytest.mark.parametrize("nonce", [6, 7, (1 << 32) - 1])
def test_nonce_ahead_may_wait_in_the_pool_but_not_enter_a_block(shop: SHOP, nonce: int) -> None:
    set_nonce(shop, 5)
    extrinsic = shop.sign(keypair("//Alice"), work(shop), nonce=nonce)
    shop.api.validate(extrinsic)
    with pytest.raises(InvalidTransaction) as refused:
        shop.apply(extrinsic)
    assert refused.value.reason is InvalidReason.Future
    assert system(shop).get_account(ALICE).nonce == 5


def test_last_nonce_but_one_is_the_last_that_can_be_used(shop: SHOP) -> None:
    last = (1 << 32) - 1
    set_nonce(shop, last - 1)
    assert shop.apply(shop.sign(keypair("//Alice"), work(shop), nonce=last - 1)).error is None
    assert system(shop).get_account(ALICE).nonce == last
    refuses(shop, shop.sign(keypair("//Alice"), work(shop), nonce=last), InvalidReason.Stale)
    assert system(shop).get_account(ALICE).nonce == last


@pytest.mark.parametrize("name", ["spare", "fail"])
def test_nonce_is_used_whether_the_call_succeeds_or_not(shop: SHOP, name: str) -> None:
    before = system(shop).get_account(ALICE)
    call = shop.call(f"Work.{name}", NO_WEIGHT, NO_WEIGHT)
    extrinsic = shop.sign(keypair("//Alice"), call)
    assert (shop.apply(extrinsic).error is None) == (name == "spare")
    after = system(shop).get_account(ALICE)
    assert after.nonce == before.nonce + 1
    assert (after.consumers, after.providers, after.sufficients) == (
        before.consumers,
        before.providers,
        before.sufficients,
    )
    refuses(shop, extrinsic, InvalidReason.Stale)


@pytest.mark.parametrize("call", ["fill", "free"])
def test_account_that_does_not_exist_has_no_nonce_even_for_free_calls(shop: SHOP, call: str) -> None:
    asked = shop.call("Work.free") if call == "free" else None
    refuses(shop, unsigned_by(shop, FERDIE, call=asked), InvalidReason.Payment)
    assert not system(shop).exists(FERDIE)


def test_account_on_sufficient_assets_alone_has_a_nonce_but_no_fee(shop: SHOP) -> None:
    system(shop).inc_sufficients(FERDIE)
    free = unsigned_by(shop, FERDIE, call=shop.call("Work.free"))
    assert shop.api.validate(free).provides
    assert shop.apply(free).error is None
    assert system(shop).get_account(FERDIE).nonce == 1
    refuses(shop, unsigned_by(shop, FERDIE, nonce=1), InvalidReason.Payment)


# --- CheckWeight


@pytest.mark.parametrize(("name", "limit"), [("normal", SINGLE), ("operational", OPERATIONAL_SINGLE)])
@pytest.mark.parametrize("more", [Weight(1, 0), Weight(0, 1)], ids=["time", "proof"])
def test_single_extrinsic_weighs_what_its_class_allows_and_no_more(
    shop: SHOP, name: str, limit: Weight, more: Weight
) -> None:
    fits = shop.sign(keypair("//Alice"), work(shop, limit, name))
    shop.api.validate(fits)
    heavy = shop.sign(keypair("//Alice"), work(shop, limit.plus(more), name))
    refuses(shop, heavy, InvalidReason.ExhaustsResources)
    assert shop.apply(fits).error is None


@pytest.mark.parametrize(("name", "limit"), [("normal", LENGTH_NORMAL), ("operational", LENGTH)])
def test_single_extrinsic_is_no_longer_than_a_block(shop: SHOP, name: str, limit: int) -> None:
    pad = 0
    while True:
        extrinsic = shop.sign(keypair("//Alice"), work(shop, name=name, pad=pad))
        if extrinsic.length == limit:
            break
        pad += limit - extrinsic.length
    shop.api.validate(extrinsic)
    longer = shop.sign(keypair("//Alice"), work(shop, name=name, pad=pad + 1))
    refuses(shop, longer, InvalidReason.ExhaustsResources)


def test_full_block_does_not_keep_transactions_from_the_pool(shop: SHOP) -> None:
    assert shop.submit("//Alice", work(shop, Weight(5_000, 0))).error is None
    next_one = shop.sign(keypair("//Alice"), work(shop, Weight(5_000, 0)))
    shop.api.validate(next_one)
    with pytest.raises(InvalidTransaction):
        shop.apply(next_one)


def test_extensions_are_those_that_wallets_expect_in_their_order(shop: SHOP) -> None:
    assert [extension.identifier for extension in shop.runtime.extensions] == [
        "CheckNonZeroSender",
        "CheckSpecVersion",
        "CheckTxVersion",
        "CheckGenesis",
        "CheckMortality",
        "CheckNonce",
        "CheckWeight",
        "ChargeTransactionPayment",
    ]
