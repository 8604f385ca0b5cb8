"""Session: the validators that a chain starts with, their vote keys, and the author that a digest names."""

import pytest

from genesis.consortium import Consortium
from pallets.core.session import AUTHOR_ENGINE, VALIDATORS_MAX, VOTE_KEY_TYPE, Session, SessionKeys
from runtime.primitives.authority_set import Authority, AuthoritySet
from runtime.primitives.block import Consensus, DigestItem, PreRuntime
from runtime.primitives.types import AccountId
from tests.support.chain import ALICE, BOB, CHARLIE, Chain
from tests.support.workshop import Workshop, workshop

SHOP = Chain[Workshop]


@pytest.fixture
def shop() -> SHOP:
    """A chain whose validators are Bob and Alice, in this order."""
    return workshop()


def keys(number: int) -> SessionKeys:
    return SessionKeys(number.to_bytes(32, "big"))


def author(index: int, tag: int = 2) -> DigestItem:
    return PreRuntime(AUTHOR_ENGINE, bytes([tag]) + index.to_bytes(4, "little") + b"\xff" * 8)


def author_of(shop: SHOP, *logs: DigestItem) -> AccountId | None:
    shop.close_block()
    shop.open_block(logs)
    return shop.pallets.session.author()


# --- genesis


def fresh(shop: SHOP) -> Session:
    """Return the pallet as before genesis."""
    session = shop.pallets.session
    session.validators.kill()
    session.queued_keys.kill()
    for who in (ALICE, BOB):
        keys = session.next_keys.take(who)
        assert keys is not None
        session.key_owner.remove((VOTE_KEY_TYPE, keys.grandpa))
    return session


def test_validators_keep_their_order_and_keys(shop: SHOP) -> None:
    session = fresh(shop)
    session.genesis(((CHARLIE, keys(3)), (ALICE, keys(1)), (BOB, keys(2))))
    assert session.validators.get() == (CHARLIE, ALICE, BOB)
    assert [session.next_keys.get(who) for who in (ALICE, BOB, CHARLIE)] == [keys(1), keys(2), keys(3)]
    assert session.set_id.get() == session.current_index.get() == 0


def test_authority_set_is_the_vote_keys_in_order_with_equal_weights(shop: SHOP) -> None:
    session = fresh(shop)
    session.genesis(((CHARLIE, keys(3)), (ALICE, keys(1))))
    session.set_id.put(7)
    assert session.authority_set() == AuthoritySet(
        7, (Authority(keys(3).grandpa, 1), Authority(keys(1).grandpa, 1))
    )


def some(count: int) -> tuple[tuple[AccountId, SessionKeys], ...]:
    return tuple((AccountId(number.to_bytes(32, "little")), keys(number)) for number in range(count))


@pytest.mark.parametrize(
    ("listed", "complaint"),
    [
        ((), "at least one validator"),
        (some(VALIDATORS_MAX + 1), "at least one validator"),
        (((ALICE, keys(1)), (ALICE, keys(2))), "listed twice"),
        (((ALICE, keys(1)), (BOB, keys(1))), "same vote key"),
    ],
    ids=["none", "too many", "twice", "shared key"],
)
def test_wrong_list_of_validators_is_refused(
    shop: SHOP, listed: tuple[tuple[AccountId, SessionKeys], ...], complaint: str
) -> None:
    with pytest.raises(AssertionError, match=complaint):
        fresh(shop).genesis(listed)


def test_as_many_validators_as_the_limit_are_taken(shop: SHOP) -> None:
    session = fresh(shop)
    session.genesis(some(VALIDATORS_MAX))
    assert len(session.authority_set().authorities) == VALIDATORS_MAX == 1000


# --- the author


@pytest.mark.parametrize(("index", "who"), [(0, BOB), (1, ALICE), (2, None), (1 << 31, None)])
def test_author_is_the_validator_at_the_index_of_the_digest(
    shop: SHOP, index: int, who: AccountId | None
) -> None:
    assert author_of(shop, author(index)) == who


@pytest.mark.parametrize(
    "logs",
    [
        (),
        (PreRuntime(b"OTHR", b"\2" + bytes(12)),),
        (Consensus(AUTHOR_ENGINE, b"\2" + bytes(12)),),
    ],
)
def test_block_without_the_engines_item_has_no_author(shop: SHOP, logs: tuple[DigestItem, ...]) -> None:
    assert author_of(shop, *logs) is None


def test_first_item_of_the_engine_counts(shop: SHOP) -> None:
    logs = (PreRuntime(b"OTHR", b"x"), author(1), author(0))
    assert author_of(shop, *logs) == ALICE


def test_validator_without_keys_is_found(shop: SHOP) -> None:
    session = shop.pallets.session
    session.try_state()
    session.next_keys.remove(ALICE)
    with pytest.raises(AssertionError, match="has no keys"):
        session.try_state()
    assert session.authority_set().authorities == (Authority(bytes(32), 1),)


def test_development_chain_lists_its_validator(chain: Chain[Consortium]) -> None:
    assert chain.pallets.session.validators.get() == (ALICE,)
