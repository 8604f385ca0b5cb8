"""Members: added, removed and re-keyed within what a consortium can bear, and handed to Session."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import pytest

from genesis.consortium import (
    Consortium,
    ConsortiumParameters,
    compose,
    make_version,
    write_genesis,
)
from pallets.core.members import MEMBERS_MAX, Member, MemberClass, Members, MembersConfig
from pallets.core.session import Session, SessionKeys
from runtime.frame.dispatch import NOBODY, ROOT, BadOrigin, Origin, Signed
from runtime.primitives.authority_set import AuthoritySet
from runtime.primitives.block import Consensus, DigestItem
from runtime.primitives.crypto import Keypair, Scheme
from runtime.primitives.possession import possession_message
from runtime.primitives.scale import codec
from runtime.primitives.types import AccountId
from tests.support.chain import ALICE, BOB, CHARLIE, DAVE, EVE, FERDIE, NAMED, Chain, genesis_of

ENDOWMENT = 10**15
OTHERS = tuple(AccountId(bytes([200 + n]) * 32) for n in range(10))


def key(n: int) -> bytes:
    return n.to_bytes(32, "big")


def pair(n: int) -> Keypair:
    return Keypair.from_seed(key(n), Scheme.ED25519)


def rekeying(who: AccountId, n: int) -> tuple[SessionKeys, bytes]:
    """Return the arguments with which an account sets the keys of a pair."""
    return SessionKeys(pair(n).public), pair(n).sign(possession_message(who))


def consortium(*validators: AccountId) -> Chain[Consortium]:
    genesis = replace(
        genesis_of(*((who, ENDOWMENT) for who in NAMED)),
        validators=tuple((who, SessionKeys(key(n))) for n, who in enumerate(validators)),
        classes=((ALICE, MemberClass.Regulator),),
    )
    parameters = ConsortiumParameters(has_sudo=True)
    return Chain(
        lambda state: compose(state, parameters, make_version()),
        lambda chain: write_genesis(chain, genesis),
    )


@pytest.fixture
def four() -> Iterator[Chain[Consortium]]:
    made = consortium(ALICE, BOB, CHARLIE, DAVE)
    yield made
    made.close_block()


@pytest.fixture
def seven() -> Iterator[Chain[Consortium]]:
    made = consortium(ALICE, BOB, CHARLIE, DAVE, *OTHERS[:3])
    yield made
    made.close_block()


def voters(chain: Chain[Consortium]) -> list[bytes]:
    """Return the keys that certify the next block."""
    return [authority.key for authority in chain.api.authority_set().authorities]


def changes(digest: Iterable[DigestItem]) -> list[AuthoritySet]:
    """Return the set changes that a digest names."""
    return [
        codec(AuthoritySet).decode(item.field_1)
        for item in digest
        if isinstance(item, Consensus) and item.field_0 == b"LOAM"
    ]


def test_chain_starts_with_its_validators_as_members(four: Chain[Consortium]) -> None:
    members = four.pallets.members.members.get()
    assert [member.who for member in members] == [ALICE, BOB, CHARLIE, DAVE]
    assert [member.class_ for member in members] == [MemberClass.Regulator, *[MemberClass.Technology] * 3]
    assert changes(four.next_block()) == []


def test_added_member_certifies_from_the_next_block_on(four: Chain[Consortium]) -> None:
    four.ok(ROOT, "Members.add_member", EVE, MemberClass.Trader, key(9))
    assert four.events() == [Members.MemberAdded(EVE, MemberClass.Trader)]
    assert voters(four) == [key(n) for n in range(4)]
    (change,) = changes(four.next_block())
    assert (change.set_id, [each.key for each in change.authorities]) == (1, [*map(key, range(4)), key(9)])
    assert voters(four) == [*map(key, range(4)), key(9)]
    assert four.pallets.session.next_keys.get(EVE) == SessionKeys(key(9))
    assert changes(four.next_block()) == []


def test_removed_member_is_gone_from_the_set_and_from_the_keys(seven: Chain[Consortium]) -> None:
    seven.ok(ROOT, "Members.remove_member", BOB)
    (change,) = changes(seven.next_block())
    assert [each.key for each in change.authorities] == [key(n) for n in (0, 2, 3, 4, 5, 6)]
    assert not seven.pallets.session.next_keys.contains(BOB)
    assert seven.pallets.session.validators.get() == (ALICE, CHARLIE, DAVE, *OTHERS[:3])


def test_member_votes_with_another_key(four: Chain[Consortium]) -> None:
    four.ok(BOB, "Session.set_keys", *rekeying(BOB, 50))
    assert four.events() == [Members.VoteKeyChanged(BOB, pair(50).public)]
    assert voters(four) == [key(n) for n in range(4)]
    (change,) = changes(four.next_block())
    assert [each.key for each in change.authorities] == [key(0), pair(50).public, key(2), key(3)]


def test_changes_of_one_block_make_one_set(seven: Chain[Consortium]) -> None:
    seven.ok(ROOT, "Members.remove_member", BOB)
    seven.ok(ROOT, "Members.add_member", BOB, MemberClass.Trader, key(1))
    seven.ok(ROOT, "Members.add_member", FERDIE, MemberClass.Financial, key(30))
    (change,) = changes(seven.next_block())
    assert [each.key for each in change.authorities] == [*map(key, (0, 2, 3, 4, 5, 6)), key(1), key(30)]
    assert change.set_id == 1


def test_no_more_go_at_once_than_may_be_faulty(seven: Chain[Consortium]) -> None:
    seven.ok(ROOT, "Members.remove_member", BOB)
    seven.ok(CHARLIE, "Session.set_keys", *rekeying(CHARLIE, 60))
    seven.noop(seven.pallets.members.TooManyChanges, ROOT, "Members.remove_member", DAVE)
    seven.noop(seven.pallets.members.TooManyChanges, DAVE, "Session.set_keys", *rekeying(DAVE, 61))
    seven.noop(seven.pallets.members.TooManyChanges, DAVE, "Session.purge_keys")
    seven.next_block()
    seven.ok(ROOT, "Members.remove_member", DAVE)


def test_consortium_keeps_its_least_size(four: Chain[Consortium]) -> None:
    four.noop(four.pallets.members.TooFewMembers, ROOT, "Members.remove_member", ALICE)
    four.ok(ROOT, "Members.add_member", EVE, MemberClass.Trader, key(9))
    four.ok(ROOT, "Members.remove_member", ALICE)
    four.noop(four.pallets.members.TooFewMembers, ROOT, "Members.remove_member", BOB)


@pytest.mark.parametrize("origin", [Signed(ALICE), NOBODY])
def test_only_root_adds_and_removes(four: Chain[Consortium], origin: Origin) -> None:
    four.noop(BadOrigin, origin, "Members.add_member", EVE, MemberClass.Trader, key(9))
    four.noop(BadOrigin, origin, "Members.remove_member", BOB)


def test_nobody_is_removed_who_is_no_member(four: Chain[Consortium]) -> None:
    four.noop(four.pallets.members.NotMember, ROOT, "Members.remove_member", EVE)


def test_two_members_never_share_a_key_or_an_account(four: Chain[Consortium]) -> None:
    four.noop(four.pallets.members.AlreadyMember, ROOT, "Members.add_member", BOB, MemberClass.Trader, key(9))
    four.noop(four.pallets.members.KeyTaken, ROOT, "Members.add_member", EVE, MemberClass.Trader, key(3))


def test_there_is_room_for_so_many_and_no_more(four: Chain[Consortium]) -> None:
    for n in range(4, MEMBERS_MAX):
        four.ok(ROOT, "Members.add_member", AccountId(key(1000 + n)), MemberClass.Trader, key(n))
    four.noop(
        four.pallets.members.TooManyMembers, ROOT, "Members.add_member", EVE, MemberClass.Trader, key(999)
    )


def test_chain_of_one_authority_stays_so(chain: Chain[Consortium]) -> None:
    error = chain.pallets.members.OneAuthority
    chain.noop(error, ROOT, "Members.add_member", EVE, MemberClass.Trader, key(9))
    chain.noop(error, ROOT, "Members.remove_member", ALICE)
    chain.noop(error, ALICE, "Session.set_keys", *rekeying(ALICE, 9))
    chain.noop(error, ALICE, "Session.purge_keys")


def test_session_event_tells_of_each_new_set(four: Chain[Consortium]) -> None:
    four.ok(BOB, "Session.set_keys", *rekeying(BOB, 50))
    four.api.finalize_block()
    assert Session.NewSession(1) in four.block_events()
    four.backend.apply(four.state.drain())
    four.open_block()


# --- expulsion


def expel(chain: Chain[Consortium], who: AccountId) -> bool:
    """Convict a member in the open block."""
    return chain.pallets.members.on_offence(who)


def test_offender_is_removed_in_the_next_block(seven: Chain[Consortium]) -> None:
    assert expel(seven, BOB)
    assert changes(seven.next_block()) == []
    assert Members.MemberRemoved(BOB) in seven.block_events()
    (change,) = changes(seven.next_block())
    assert [each.key for each in change.authorities] == [key(n) for n in (0, 2, 3, 4, 5, 6)]
    assert seven.pallets.members.expelled.get() == ()


def test_no_more_offenders_go_at_once_than_may_be_faulty(seven: Chain[Consortium]) -> None:
    for who in (BOB, CHARLIE, DAVE):
        assert expel(seven, who)
    seven.next_block()
    seven.noop(seven.pallets.members.TooManyChanges, ALICE, "Session.set_keys", *rekeying(ALICE, 60))
    assert seven.pallets.members.expelled.get() == (DAVE,)
    seven.next_block()
    assert len(changes(seven.next_block())) == 1
    assert seven.pallets.session.validators.get() == (ALICE, *OTHERS[:3])


def test_offender_that_changes_its_key_every_block_goes_all_the_same() -> None:
    five = consortium(ALICE, BOB, CHARLIE, DAVE, EVE)
    five.ok(BOB, "Session.set_keys", *rekeying(BOB, 60))
    assert expel(five, BOB)
    five.next_block()
    five.noop(five.pallets.session.NoAssociatedValidatorId, BOB, "Session.set_keys", *rekeying(BOB, 61))
    five.next_block()
    assert five.pallets.session.validators.get() == (ALICE, CHARLIE, DAVE, EVE)
    five.close_block()


def test_offender_stays_where_too_few_would_be_left(four: Chain[Consortium]) -> None:
    before = four.pending()
    assert not expel(four, BOB)
    assert four.pending() == before


def test_so_many_wait_for_removal_as_may_be_missed_and_no_more(seven: Chain[Consortium]) -> None:
    assert [expel(seven, who) for who in (ALICE, BOB, BOB, CHARLIE, DAVE)] == [True, True, True, True, False]
    assert seven.pallets.members.expelled.get() == (ALICE, BOB, CHARLIE)


def test_who_has_gone_meanwhile_is_not_removed_again_and_none_below_the_minimum() -> None:
    five = consortium(ALICE, BOB, CHARLIE, DAVE, EVE)
    assert expel(five, BOB)
    five.ok(ROOT, "Members.remove_member", BOB)
    assert expel(five, BOB), "it is as good as gone"
    five.next_block()
    assert changes(five.next_block()) == []
    five.ok(ROOT, "Members.add_member", BOB, MemberClass.Trader, key(70))
    five.next_block()
    assert expel(five, CHARLIE)
    five.pallets.members.config = MembersConfig(five.pallets.session, members_min=5)  # as an upgrade may
    five.next_block()
    assert Members.RemovalImpossible(CHARLIE) in five.block_events()
    assert five.pallets.session.validators.get() == (ALICE, CHARLIE, DAVE, EVE, BOB)
    five.close_block()


def test_nobody_leaves_in_the_place_of_an_offender() -> None:
    five = consortium(ALICE, BOB, CHARLIE, DAVE, EVE)
    assert expel(five, BOB)
    five.noop(five.pallets.members.TooFewMembers, EVE, "Session.purge_keys")
    five.noop(five.pallets.members.TooFewMembers, ROOT, "Members.remove_member", EVE)
    five.next_block(2)
    assert five.pallets.session.validators.get() == (ALICE, CHARLIE, DAVE, EVE)
    five.close_block()


def test_offender_that_leaves_by_itself_does_not_count_twice() -> None:
    six = consortium(ALICE, BOB, CHARLIE, DAVE, *OTHERS[:2])
    assert expel(six, BOB)
    six.ok(BOB, "Session.purge_keys")
    assert expel(six, CHARLIE), "four stay"
    assert not expel(six, DAVE)
    six.next_block(2)
    assert six.pallets.session.validators.get() == (ALICE, DAVE, *OTHERS[:2])
    six.close_block()


def test_where_more_voters_have_changed_by_hand_than_may_go_none_is_removed(
    seven: Chain[Consortium],
) -> None:
    pallet = seven.pallets.members
    before = pallet.members.get()
    pallet.members.put(tuple(Member(m.who, m.class_, key(100 + n)) for n, m in enumerate(before)))
    pallet.expelled.put((BOB, CHARLIE, DAVE))
    pallet.on_initialize(seven.number)
    assert pallet.expelled.get() == (BOB, CHARLIE, DAVE)
    assert len(pallet.members.get()) == len(before)
    pallet.members.put(before)


def test_member_that_changes_its_key_all_the_time_can_be_removed() -> None:
    """It is one voter that goes, however often it changes in a block."""
    five = consortium(ALICE, BOB, CHARLIE, DAVE, EVE)
    five.ok(BOB, "Session.set_keys", *rekeying(BOB, 60))
    five.ok(BOB, "Session.set_keys", *rekeying(BOB, 61))
    five.noop(five.pallets.members.TooManyChanges, ROOT, "Members.remove_member", CHARLIE)
    five.ok(ROOT, "Members.remove_member", BOB)
    (change,) = changes(five.next_block())
    assert [each.key for each in change.authorities] == [key(n) for n in (0, 2, 3, 4)]
    five.close_block()


def test_key_that_is_taken_back_in_one_block_is_no_change_of_a_voter(four: Chain[Consortium]) -> None:
    for n in (50, 51):
        four.ok(BOB, "Session.set_keys", *rekeying(BOB, n))
    four.next_block()
    four.ok(BOB, "Session.set_keys", *rekeying(BOB, 60))
    four.ok(BOB, "Session.set_keys", *rekeying(BOB, 51))
    four.ok(CHARLIE, "Session.set_keys", *rekeying(CHARLIE, 52))
    (change,) = changes(four.next_block())
    assert [each.key for each in change.authorities] == [key(0), pair(51).public, pair(52).public, key(3)]


def test_consortium_too_small_to_change_expels_nobody() -> None:
    three = consortium(ALICE, BOB, CHARLIE)
    three.pallets.members.config = MembersConfig(three.pallets.session, members_min=1)
    assert not expel(three, BOB)
    three.close_block()


@pytest.mark.parametrize("damage", ["member", "key", "session", "expelled"])
def test_inconsistent_members_are_found(damage: str) -> None:
    chain = consortium(ALICE, BOB, CHARLIE, DAVE)
    pallet = chain.pallets.members
    first, *rest = pallet.members.get()
    spoiled = {
        "member": Member(BOB, first.class_, first.vote_key),
        "key": Member(ALICE, first.class_, key(1)),
        "session": Member(EVE, first.class_, first.vote_key),
    }
    if damage == "expelled":
        pallet.expelled.put((BOB, BOB))
    else:
        pallet.members.put((spoiled[damage], *rest))
    with pytest.raises(AssertionError):
        pallet.try_state()
