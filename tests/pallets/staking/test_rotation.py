"""Session of the public chain: keys have one owner who proves them, and wait one session more."""

import pytest

from pallets.staking.types import SessionKeys
from runtime.frame.dispatch import NOBODY, BadOrigin
from runtime.primitives.crypto import Keypair, Scheme
from runtime.primitives.possession import possession_message
from runtime.primitives.types import AccountId
from tests.support.chain import Chain
from tests.support.staking import StakingChain, keys_of, staking_chain, who

PAIRS = tuple(Keypair.from_uri(f"//{name}", Scheme.ED25519) for name in ("Grandpa", "Babe"))
KEYS = SessionKeys(PAIRS[0].public, PAIRS[1].public)


def prove(owner: AccountId) -> bytes:
    return b"".join(pair.sign(possession_message(owner)) for pair in PAIRS)


@pytest.fixture
def chain() -> Chain[StakingChain]:
    return staking_chain()


def test_new_keys_are_in_force_from_the_session_after_the_next(chain: Chain[StakingChain]) -> None:
    session = chain.pallets.session
    chain.ok(who(11), "Session.set_keys", KEYS, prove(who(11)))
    assert dict(session.queued_keys.get())[who(11)] == keys_of(who(11))
    chain.next_block()
    assert dict(session.queued_keys.get())[who(11)] == KEYS
    assert session.queued_changed.get()
    assert session.key_owner.get((b"gran", keys_of(who(11)).grandpa)) is None


def test_keys_need_their_own_proof_and_one_owner(chain: Chain[StakingChain]) -> None:
    session, proof = chain.pallets.session, prove(who(11))
    for wrong in (b"", proof[:-1], proof[64:] + proof[:64], prove(who(21)), proof + b"\0"):
        chain.noop(session.InvalidProof, who(11), "Session.set_keys", KEYS, wrong)
    chain.noop(BadOrigin, NOBODY, "Session.set_keys", KEYS, proof)
    chain.noop(session.NoAccount, who(99), "Session.set_keys", KEYS, prove(who(99)))
    chain.ok(who(11), "Session.set_keys", KEYS, proof)
    chain.noop(session.DuplicatedKey, who(21), "Session.set_keys", KEYS, prove(who(21)))


def test_who_has_no_keys_validates_no_more(chain: Chain[StakingChain]) -> None:
    session = chain.pallets.session
    chain.noop(session.NoKeys, who(101), "Session.purge_keys")
    chain.ok(who(11), "Session.purge_keys")
    chain.noop(session.NoKeys, who(11), "Session.purge_keys")
    chain.next_block(2)
    assert session.validators.get() == (who(21),)


def test_as_many_are_disabled_as_the_set_bears_the_mildest_making_room() -> None:
    stakes = tuple((number, 1000) for number in (11, 21, 31, 41))
    chain = staking_chain(stakes, (), balances=stakes, seats=4)
    session = chain.pallets.session
    place = {number: session.validators.get().index(who(number)) for number in (11, 21)}
    session.report_offence(who(99), 5)
    session.report_offence(who(11), 5)
    session.report_offence(who(21), 5)
    assert session.disabled_validators.get() == ((place[11], 5),)
    session.report_offence(who(21), 6)
    assert session.disabled_validators.get() == ((place[21], 6),)
    assert session.ValidatorReenabled(who(11)) in chain.block_events()
    chain.next_block(4)
    assert session.disabled_validators.get() == ()
