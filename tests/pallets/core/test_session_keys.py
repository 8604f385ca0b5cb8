"""Session keys: set and given up by their holders, with a proof, and read where wallets look for them."""

from collections.abc import Iterator

import pytest

from genesis.consortium import Consortium, ConsortiumParameters, compose, make_version
from pallets.core.members import MemberClass
from pallets.core.session import PROOF_MAX, VOTE_KEY_TYPE, SessionConfig, SessionKeys
from runtime.frame.dispatch import NOBODY, ROOT, BadOrigin, Origin
from runtime.frame.state import MemoryBackend, State
from runtime.frame.validator_apis import GeneratedSessionKeys, KeyTypeId
from runtime.primitives.hashing import twox64_concat, twox128
from runtime.primitives.possession import possession_message
from runtime.primitives.scale import DecodeError, codec
from runtime.primitives.types import AccountId
from tests.pallets.core.test_members import OTHERS, consortium, key, pair, rekeying
from tests.support.chain import ALICE, BOB, CHARLIE, DAVE, EVE, Chain
from tests.support.workshop import workshop

LOCAL = Chain[Consortium]


@pytest.fixture
def four() -> Iterator[LOCAL]:
    made = consortium(ALICE, BOB, CHARLIE, DAVE)
    yield made
    made.close_block()


def owner(chain: LOCAL, public: bytes) -> AccountId | None:
    return chain.pallets.session.key_owner.get((VOTE_KEY_TYPE, public))


def test_new_keys_are_where_wallets_read_them_from_the_next_block_on(four: LOCAL) -> None:
    session = four.pallets.session
    four.ok(BOB, "Session.set_keys", *rekeying(BOB, 50))
    four.next_block()
    new = pair(50).public
    assert session.next_keys.get(BOB) == SessionKeys(new)
    assert session.queued_keys.get()[1] == (BOB, SessionKeys(new))
    assert (owner(four, new), owner(four, key(1))) == (BOB, None)
    assert session.validators.get() == (ALICE, BOB, CHARLIE, DAVE)
    assert (session.current_index.get(), session.set_id.get()) == (1, 1)


def test_storage_is_laid_out_as_substrates(four: LOCAL) -> None:
    prefix = twox128(b"Session")
    entries = four.backend.entries
    assert entries[prefix + twox128(b"NextKeys") + twox64_concat(BOB)] == key(1)
    owned = twox64_concat(b"gran" + bytes([32 << 2]) + key(1))
    assert entries[prefix + twox128(b"KeyOwner") + owned] == BOB
    listed = b"".join(who + key(n) for n, who in enumerate((ALICE, BOB, CHARLIE, DAVE)))
    assert entries[prefix + twox128(b"QueuedKeys")] == bytes([4 << 2]) + listed


def test_only_validators_set_and_purge_keys(four: LOCAL) -> None:
    session = four.pallets.session
    four.noop(session.NoAssociatedValidatorId, EVE, "Session.set_keys", *rekeying(EVE, 50))
    four.noop(session.NoKeys, EVE, "Session.purge_keys")
    for origin in (ROOT, NOBODY):
        assert_no_origin(four, origin)


def assert_no_origin(chain: LOCAL, origin: Origin) -> None:
    chain.noop(BadOrigin, origin, "Session.set_keys", *rekeying(BOB, 50))
    chain.noop(BadOrigin, origin, "Session.purge_keys")


def test_key_of_somebody_else_is_refused(four: LOCAL) -> None:
    duplicated = four.pallets.session.DuplicatedKey
    four.ok(CHARLIE, "Session.set_keys", *rekeying(CHARLIE, 50))
    four.noop(duplicated, BOB, "Session.set_keys", *rekeying(BOB, 50))
    four.next_block()
    four.noop(duplicated, BOB, "Session.set_keys", *rekeying(BOB, 50))
    four.noop(duplicated, BOB, "Session.set_keys", SessionKeys(key(0)), b"")


def test_keys_that_the_sender_has_already_change_nothing(four: LOCAL) -> None:
    four.ok(BOB, "Session.set_keys", *rekeying(BOB, 50))
    four.next_block()
    four.ok(BOB, "Session.set_keys", *rekeying(BOB, 50))
    assert four.events() == []
    four.next_block()
    assert four.pallets.session.set_id.get() == 1


@pytest.mark.parametrize(
    "proof",
    [
        b"",
        b"\0",
        bytes(64),
        pair(50).sign(possession_message(ALICE)),
        pair(50).sign(BOB),
        pair(51).sign(possession_message(BOB)),
        pair(50).sign(possession_message(BOB)) + b"\0",
        bytes(PROOF_MAX),
    ],
    ids=["none", "zero", "zeros", "another account", "no tag", "another key", "longer", "longest"],
)
def test_wrong_proof_of_possession_is_refused(four: LOCAL, proof: bytes) -> None:
    keys = SessionKeys(pair(50).public)
    four.noop(four.pallets.session.InvalidProof, BOB, "Session.set_keys", keys, proof)


def test_proof_is_of_bounded_length(four: LOCAL) -> None:
    with pytest.raises(ValueError, match="1024"):
        four.call("Session.set_keys", SessionKeys(key(9)), bytes(PROOF_MAX + 1))


def test_validator_gives_up_its_keys_where_enough_stay(four: LOCAL) -> None:
    four.noop(four.pallets.members.TooFewMembers, BOB, "Session.purge_keys")
    four.ok(ROOT, "Members.add_member", EVE, MemberClass.Trader, key(9))
    four.next_block()
    four.ok(BOB, "Session.purge_keys")
    four.next_block()
    session = four.pallets.session
    assert session.validators.get() == (ALICE, CHARLIE, DAVE, EVE)
    assert session.next_keys.get(BOB) is None
    assert owner(four, key(1)) is None
    four.noop(session.NoKeys, BOB, "Session.purge_keys")


def test_key_that_was_given_up_can_be_another_validators(four: LOCAL) -> None:
    """Evidence names the set it is of, so nobody answers for what an earlier owner signed."""
    four.ok(BOB, "Session.set_keys", *rekeying(BOB, 50))
    four.next_block()
    four.ok(BOB, "Session.set_keys", *rekeying(BOB, 51))
    four.next_block()
    four.ok(CHARLIE, "Session.set_keys", *rekeying(CHARLIE, 50))
    four.next_block()
    assert owner(four, pair(50).public) == CHARLIE
    assert four.pallets.session.set_of(1) == (
        (ALICE, key(0)), (BOB, pair(50).public), (CHARLIE, key(2)), (DAVE, key(3)),
    )  # fmt: skip


def test_members_exchange_keys_within_one_block() -> None:
    seven = consortium(ALICE, BOB, CHARLIE, DAVE, *OTHERS[:3])
    seven.ok(BOB, "Session.set_keys", *rekeying(BOB, 50))
    seven.next_block()
    seven.ok(BOB, "Session.set_keys", *rekeying(BOB, 51))
    seven.ok(CHARLIE, "Session.set_keys", *rekeying(CHARLIE, 50))
    seven.next_block()
    assert (owner(seven, pair(50).public), owner(seven, pair(51).public)) == (CHARLIE, BOB)
    seven.close_block()


def test_so_many_sets_are_remembered_and_no_more(four: LOCAL) -> None:
    session = four.pallets.session
    session.config = SessionConfig(session.config.system, session.config.holders, None, sets_kept=2)
    for n in range(4):
        four.ok(BOB, "Session.set_keys", *rekeying(BOB, 50 + n))
        four.next_block()
    known = [set_id for set_id in range(6) if session.set_of(set_id) is not None]
    assert known == [2, 3, 4]
    assert [dict(session.set_of(n) or ())[BOB] for n in known] == [pair(50 + n).public for n in (1, 2, 3)]


def test_chain_whose_keys_nobody_holds_takes_none() -> None:
    shop = workshop()
    session = shop.pallets.session
    shop.noop(session.NoAssociatedValidatorId, ALICE, "Session.set_keys", *rekeying(ALICE, 50))
    shop.noop(session.NoKeys, ALICE, "Session.purge_keys")


@pytest.mark.parametrize("damage", ["queued", "order", "stranger", "owner", "past"])
def test_keys_that_do_not_agree_are_found(damage: str) -> None:
    chain = consortium(ALICE, BOB, CHARLIE, DAVE)
    session = chain.pallets.session
    session.try_state()
    queued = session.queued_keys.get()
    match damage:
        case "queued":
            session.queued_keys.put(((ALICE, SessionKeys(key(9))), *queued[1:]))
        case "order":
            session.queued_keys.put((queued[1], queued[0], *queued[2:]))
        case "stranger":
            session.next_keys.put(EVE, SessionKeys(key(9)))
        case "owner":
            session.key_owner.put((VOTE_KEY_TYPE, key(0)), BOB)
        case _:
            session.past_sets.put(0, queued)
    with pytest.raises(AssertionError):
        session.try_state()


# --- the runtime API


def call_api(name: str, data: bytes) -> bytes:
    composed = compose(State(MemoryBackend()), ConsortiumParameters(), make_version())
    return composed.api.call(f"SessionKeys_{name}", data)


def test_keys_of_a_seed_come_with_the_proof_that_the_chain_asks_for(four: LOCAL) -> None:
    data = codec(bytes).encode(bytes(BOB)) + b"\1" + codec(bytes).encode(b"//Bob//new")
    made: GeneratedSessionKeys = codec(GeneratedSessionKeys).decode(call_api("generate_session_keys", data))
    four.ok(BOB, "Session.set_keys", SessionKeys(made.keys), made.proof)


@pytest.mark.parametrize(
    "seed", [b"\0", b"\1" + codec(bytes).encode(b"\xff"), b"\1" + codec(bytes).encode(b"no")]
)
def test_runtime_makes_no_keys_without_a_secret_uri(seed: bytes) -> None:
    with pytest.raises(DecodeError):
        call_api("generate_session_keys", codec(bytes).encode(b"") + seed)


def test_encoded_keys_are_taken_apart() -> None:
    listed = codec(tuple[tuple[bytes, KeyTypeId], ...])
    answer = call_api("decode_session_keys", codec(bytes).encode(key(7)))
    assert answer == b"\1" + listed.encode(((key(7), b"gran"),))
    for wrong in (b"", key(7)[:-1], key(7) + b"\0"):
        assert call_api("decode_session_keys", codec(bytes).encode(wrong)) == b"\0"
