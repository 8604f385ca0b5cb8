"""Which key signs: the one that the set has, also when it changes while the node runs; never one given up."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec import structs

from genesis.chain_spec import make_local_spec
from node.chain.chain import Chain
from node.consensus.guard import (
    KEY_MAGIC,
    KEY_STATE,
    RECORD,
    STATE,
    GuardRecord,
    GuardRefused,
    GuardState,
    KeyState,
    encode_unused,
)
from node.consensus.messages import Status, ViewChange, encode_message
from node.driver.new_key import DECISIONS
from node.driver.signer import GuardedSigner
from node.driver.vote_keys import VoteKeys
from node.keystore import KeystoreError
from node.storage.guard import CopiedKeys, GuardFile
from pallets.core.session import SessionKeys
from runtime.primitives.certificate import Certificate
from runtime.primitives.crypto import Keypair, Scheme
from runtime.primitives.possession import possession_message
from runtime.primitives.statements import STEP_PREPARE, STEP_VIEW_CHANGE, UNSIGNED, Claim, Vote, signed_bytes
from runtime.primitives.types import Hash
from tests.node.driver.test_offences import check_certificates_with_parents
from tests.support.chain import account, keypair
from tests.support.consensus import GENESIS, KEYS, A, B, commit
from tests.support.network import LocalNetwork, Seat
from tests.support.node_chain import sign

ONE, TWO, THREE = KEYS[:3]


class Ring:
    """Held keys, some of which cannot be read."""

    def __init__(self, *publics: bytes, locked: tuple[bytes, ...] = ()) -> None:
        self.publics = publics
        self.locked = locked
        self.asked: list[bytes] = []

    def list(self) -> Sequence[bytes]:
        return self.publics

    def open(self, public: bytes) -> GuardedSigner:
        self.asked.append(public)
        if public in self.locked:
            raise KeystoreError("locked")
        return GuardedSigner(next(k for k in KEYS if k.public == public), GENESIS, None)


def signer(number: int = 0, guard: GuardFile | None = None) -> GuardedSigner:
    return GuardedSigner(KEYS[number], GENESIS, guard)


# --- the choice


async def test_key_in_use_stays_while_the_set_has_it() -> None:
    ring = Ring(ONE.public, TWO.public)
    first = signer()
    keys = VoteKeys(first, ring)
    assert await keys.choose((ONE.public, TWO.public)) is first
    assert await keys.choose((THREE.public,)) is first, "the set has none of ours: nothing better"
    assert ring.asked == []


async def test_key_that_the_set_has_takes_over_and_back() -> None:
    keys = VoteKeys(signer(), Ring(ONE.public, TWO.public))
    chosen = await keys.choose((TWO.public, THREE.public))
    assert chosen is keys.current
    assert chosen is not None
    assert chosen.public == TWO.public
    back = await keys.choose((ONE.public,))
    assert back is not None
    assert back.public == ONE.public


async def test_key_that_was_given_up_is_never_chosen_again_and_another_one_may_be() -> None:
    keys = VoteKeys(signer(), Ring(ONE.public, TWO.public))
    keys.give_up()
    keys.give_up()
    assert await keys.choose((ONE.public, THREE.public)) is None
    chosen = await keys.choose((ONE.public, TWO.public))
    assert chosen is not None
    assert chosen.public == TWO.public


async def test_key_that_cannot_be_read_is_asked_for_once() -> None:
    ring = Ring(TWO.public, THREE.public, locked=(TWO.public,))
    keys = VoteKeys(signer(), ring)
    for _ in range(3):
        found = await keys.choose((TWO.public,))
        assert found is not None
        assert found.public == ONE.public
    assert ring.asked == [TWO.public]


@pytest.mark.parametrize("error", [KeystoreError("too many"), FileNotFoundError("moved away")])
async def test_keys_that_cannot_be_listed_leave_the_one_in_use(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Ring) -> Sequence[bytes]:
        raise error

    monkeypatch.setattr(Ring, "list", refuse)
    first = signer()
    assert await VoteKeys(first, Ring(TWO.public)).choose((TWO.public,)) is first


async def test_observer_stays_one() -> None:
    assert await VoteKeys(None).choose((ONE.public,)) is None
    first = signer()
    assert await VoteKeys(first).choose((TWO.public,)) is first


async def test_key_that_another_node_signs_with_is_not_chosen_after_a_restart_either(tmp_path: Path) -> None:
    copied = CopiedKeys(tmp_path / "second-copy")
    ring = Ring(ONE.public, TWO.public)
    keys = VoteKeys(signer(), ring, copied)
    keys.give_up()
    await keys.remember_copied(ONE.public)
    again = VoteKeys(signer(), ring, CopiedKeys(copied.path))
    assert again.current is None
    assert await again.choose((ONE.public, THREE.public)) is None
    chosen = await again.choose((ONE.public, TWO.public))
    assert chosen is not None
    assert chosen.public == TWO.public, "another key is no worse for it"
    copied.path.unlink()
    first = signer()
    assert VoteKeys(first, ring, copied).current is first, "the operator says so"


async def test_copy_is_forgotten_with_the_process_where_nothing_is_kept() -> None:
    keys = VoteKeys(signer(), Ring(ONE.public))
    keys.give_up()
    await keys.remember_copied(ONE.public)
    assert await keys.choose((ONE.public,)) is None


# --- the guard of each key


async def test_guard_is_of_no_use_to_another_key(tmp_path: Path) -> None:
    guard = GuardFile(tmp_path / "guard")
    first = signer(0, guard)
    assert first.is_new
    await first.sign_statement(commit(0, A))
    assert not signer(0, guard).is_new
    other = signer(1, guard)
    assert (other.is_new, other.last, other.prepared) == (True, None, None)
    await other.sign_statement(later(commit(1, B)))
    assert signer(0, guard).is_new, "its record went with the other's first signature"
    assert not signer(1, guard).is_new


def later(vote: Vote) -> Vote:
    """Return a vote of the next instance."""
    return structs.replace(vote, instance=vote.instance + 1, number=vote.number + 1)


async def test_two_keys_of_one_set_do_not_take_turns_in_one_instance(tmp_path: Path) -> None:
    """Else each would find the other's record in the place of its own, and could contradict itself."""
    guard = GuardFile(tmp_path / "guard")
    first = await signer(0, guard).sign_statement(commit(0, A))
    other = signer(1, guard)
    for statement in (commit(1, B), structs.replace(commit(1, B), view=9)):
        with pytest.raises(GuardRefused, match="another key"):
            await other.sign_statement(statement)
    assert other.find_hindrance(first.instance) is not None
    assert other.find_hindrance(first.instance + 1) is None
    again = signer(0, guard)
    with pytest.raises(GuardRefused):
        await again.sign_statement(commit(0, B))
    await other.sign_statement(later(commit(1, B)))
    back = signer(0, guard)
    assert back.find_hindrance(first.instance + 1) is not None
    with pytest.raises(GuardRefused, match="another key"):
        await back.sign_statement(later(commit(0, B)))


async def test_guard_of_another_chain_holds_no_key_back(tmp_path: Path) -> None:
    guard = GuardFile(tmp_path / "guard")
    await GuardedSigner(KEYS[0], Hash(bytes(32)), guard).sign_statement(commit(0, A))
    other = signer(1, guard)
    assert other.find_hindrance(commit(1, B).instance) is None
    await other.sign_statement(commit(1, B))


async def write_old_guard(guard: GuardFile, number: int, form: str) -> GuardRecord:
    """Let a key sign as an earlier release did, whose record names no key."""
    first = signer(number, guard)
    await first.sign_statement(commit(number, A))
    assert first.last is not None
    guard.store(STATE.encode(GuardState(first.last, None)) if form == "state" else RECORD.encode(first.last))
    return first.last


@pytest.mark.parametrize("form", ["state", "record"])
async def test_guard_of_an_earlier_release_is_that_of_the_key_that_signed_it(
    tmp_path: Path, form: str
) -> None:
    guard = GuardFile(tmp_path / "guard")
    record = await write_old_guard(guard, 0, form)
    other = signer(1, guard)
    assert (other.is_new, other.last) == (True, None), "it would sign as if it remembered everything"
    assert other.find_hindrance(record.instance) is not None
    found = signer(0, guard)
    assert (found.is_new, found.last) == (False, record)
    await found.sign_statement(later(commit(0, A)))
    raw = guard.load()
    assert raw is not None
    assert KEY_STATE.decode(raw).key == ONE.public, "it is named from now on"


@pytest.mark.parametrize("signature", [b"", bytes(64)])
def test_record_that_nobody_signed_is_no_keys(tmp_path: Path, signature: bytes) -> None:
    guard = GuardFile(tmp_path / "guard")
    guard.store(STATE.encode(GuardState(GuardRecord(7, 1, 3, b"message", signature), None)))
    assert signer(0, guard).is_new


def test_unused_guard_is_that_of_the_key_it_names(tmp_path: Path) -> None:
    guard = GuardFile(tmp_path / "guard")
    guard.store(encode_unused(ONE.public))
    assert not signer(0, guard).is_new
    assert signer(1, guard).is_new


def test_guard_that_begins_like_a_named_one_is_read_as_what_it_is(tmp_path: Path) -> None:
    guard = GuardFile(tmp_path / "guard")
    state = GuardState(GuardRecord(7, 1, 3, b"message", bytes(64)), None)
    guard.store(KEY_STATE.encode(KeyState(b"none", ONE.public, state)))
    with pytest.raises(Exception, match="holds no record of this program"):
        signer(0, guard)
    guard.store(KEY_STATE.encode(KeyState(KEY_MAGIC, ONE.public, state)))
    assert signer(0, guard).last == state.last


# --- a running chain

NEVER_MS = 10**9


def votes_of(chain: Chain, index: int, set_id: int) -> tuple[list[int], list[int]]:
    """Return the blocks that a set certified, and those of them that one of its members voted for."""
    certified: list[int] = []
    voted: list[int] = []
    for number in range(1, chain.finalized.number + 1):
        block_hash = chain.hash_at(number)
        assert block_hash is not None
        found: Certificate | None = chain.certificate(block_hash)
        assert found is not None
        if found.set_id == set_id:
            certified.append(number)
            if any(vote.index == index for vote in found.votes):
                voted.append(number)
    return certified, voted


async def rotate(seat: Seat, uri: str, through: Seat | None = None) -> bytes:
    """Let a seat's member register another key, as with `author_rotateKeysWithOwner`; return its public. By a
    node that makes blocks: these ones tell each other no transactions."""
    new = seat.keys.add(uri)
    proof = new.sign(possession_message(account(f"//{seat.name}")))
    api = seat.host.chain.api
    nonce = 0
    raw = sign(
        api, keypair(f"//{seat.name}"), "Session.set_keys", (SessionKeys(new.public), proof), nonce=nonce
    )
    (outcome,) = await (through or seat).host.intake.submit([raw])
    assert not isinstance(outcome, Exception), outcome
    return new.public


async def guard_on_disk(network: LocalNetwork, folder: Path) -> Seat:
    """Start Bob again with a guard in a file, of a key that has never signed."""
    bob = network.seat("Bob")
    await bob.stop()
    bob.keys.guard = GuardFile(folder / "guard")
    bob.keys.guard.store(encode_unused(bob.keys.list()[0]))
    await network.start(bob)
    return bob


def public_of(seat: Seat) -> bytes | None:
    assert seat.host.agreement is not None
    return seat.host.agreement.public


@pytest.mark.slow
async def test_validator_signs_with_its_new_key_after_watching_and_again_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.driver.new_key.WATCHED_MS", NEVER_MS)
    async with LocalNetwork() as network:
        bob = await guard_on_disk(network, tmp_path)
        await network.reach(2)
        old = public_of(bob)
        new = await rotate(bob, "//Bob//new")
        assert new != old
        chain, dave = network.seat("Alice").host.chain, network.seat("Dave")
        await network.wait(lambda: public_of(bob) == new)
        await network.reach(bob.final + DECISIONS + 1)
        dave.is_cut = True  # nothing is decided without Bob any more
        await network.reach(chain.finalized.number + 4, *network.seats[:3])
        certified, voted = votes_of(chain, 1, 1)
        assert voted[0] >= certified[0] + DECISIONS, "a key without a record watches first"
        assert voted[-1] == certified[-1]
        await bob.stop()
        await network.start(bob)
        assert public_of(bob) == new
        await network.reach(chain.finalized.number + 4, *network.seats[:3])
        dave.is_cut = False
        await network.reach(chain.finalized.number + 1)
        network.ensure_agreed()
        check_certificates_with_parents(network.seat("Dave"))


@pytest.mark.slow
async def test_validators_without_a_record_begin_a_chain_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.driver.new_key.WATCHED_MS", NEVER_MS)
    monkeypatch.setattr("node.driver.new_key.GENESIS_MS", 500)
    network = LocalNetwork()
    for seat in network.seats:
        seat.keys.guard = GuardFile(tmp_path / seat.name)
    async with network:
        await network.reach(3)
        network.ensure_agreed()


async def test_only_authority_of_a_chain_begins_it_alone(tmp_path: Path) -> None:
    network = LocalNetwork(spec=make_local_spec(("Alice",)), names=("Alice",))
    alice = network.seat("Alice")
    alice.keys.guard = GuardFile(tmp_path / "guard")
    async with network:
        await network.reach(2)
        await alice.stop()
        (tmp_path / "guard").unlink()
        await network.start(alice)
        await network.reach(alice.final + 2)
        network.ensure_agreed()


@pytest.mark.slow
async def test_peer_that_has_gone_is_none_that_a_chain_begins_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.driver.new_key.WATCHED_MS", NEVER_MS)
    monkeypatch.setattr("node.driver.new_key.GENESIS_MS", 100)
    network = LocalNetwork()
    bob = network.seat("Bob")
    bob.keys.guard = GuardFile(tmp_path / "guard")
    async with network:
        for seat in network.seats:
            seat.is_cut = seat is not bob
        agreement = bob.host.agreement
        assert agreement is not None
        here = encode_message(Status(1, 0))
        for peer in "ab":
            bob.hear(peer, here)
        await asyncio.sleep(0.05)
        agreement.forget("b")
        await asyncio.sleep(1.0)
        assert not (tmp_path / "guard").exists(), "it would have signed a view change by now"
        bob.hear("c", here)
        await network.wait((tmp_path / "guard").exists)


@pytest.mark.slow
async def test_key_that_may_sign_goes_on_from_what_it_heard_while_it_watched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two validators are in view 7 and say so once: the first thing that it signs is that it joins them."""
    monkeypatch.setattr("node.driver.new_key.WATCHED_MS", 300)
    network = LocalNetwork()
    bob = network.seat("Bob")
    bob.keys.guard = GuardFile(tmp_path / "guard")
    async with network:
        for seat in network.seats:
            seat.is_cut = seat is not bob
        for index, name in ((0, "Alice"), (2, "Charlie")):
            claim = Claim(0, 1, 7, None, index, UNSIGNED)
            message = signed_bytes(bob.host.chain.genesis_hash, claim)
            signature = Keypair.from_uri(f"//{name}", Scheme.ED25519).sign(message)
            bob.hear("peer", encode_message(ViewChange(structs.replace(claim, signature=signature), None)))
        bob.hear("peer", encode_message(Status(1, 0)))
        await network.wait((tmp_path / "guard").exists)
        first = bob.keys.open(bob.keys.list()[0]).last
        assert first is not None
        assert (first.instance, first.view, first.step) == (1, 6, STEP_VIEW_CHANGE)


@pytest.mark.slow
async def test_key_whose_guard_was_removed_is_found_in_the_certificates_that_the_node_has(
    tmp_path: Path,
) -> None:
    """It may have signed in the very instance that is being decided: it must not begin again, not even where
    nothing is decided without it."""
    async with LocalNetwork() as network:
        bob = await guard_on_disk(network, tmp_path)
        await network.wait(lambda: bool(votes_of(bob.host.chain, 1, 0)[1]))
        await bob.stop()
        (tmp_path / "guard").unlink()
        network.seat("Dave").is_cut = True
        await network.start(bob)
        await network.wait(lambda: public_of(bob) is None)
        assert bob.host.agreement is not None
        assert bob.host.agreement.authority_index() is None


@pytest.mark.slow
async def test_key_without_a_record_watches_from_when_the_set_has_it(tmp_path: Path) -> None:
    """What it saw before, when nobody could sign with it, tells of no twin."""
    async with LocalNetwork() as network:
        dave = network.seat("Dave")
        chain = network.seat("Alice").host.chain
        await dave.stop()
        dave.keys.guard = GuardFile(tmp_path / "guard")
        dave.keys.forget("//Dave")
        new = dave.keys.add("//Dave//new").public
        await network.start(dave)
        await network.reach(chain.finalized.number + 1)
        await network.reach(chain.finalized.number + DECISIONS + 2)
        assert public_of(dave) == new
        assert await rotate(dave, "//Dave//new", network.seat("Alice")) == new
        await network.wait(lambda: chain.api.authority_set().set_id == 1)
        await network.wait((tmp_path / "guard").exists)
        first = dave.keys.open(new).last
        assert first is not None
        certified, _ = votes_of(chain, 3, 1)
        assert first.instance >= certified[0] + DECISIONS


@pytest.mark.slow
async def test_new_key_that_another_node_signs_with_is_not_used(tmp_path: Path) -> None:
    """The keystore was copied: the twin, here without the validator's own key, begins first."""
    async with LocalNetwork() as network:
        bob, dave = network.seat("Bob"), network.seat("Dave")
        await bob.stop()
        bob.keys.guard = GuardFile(tmp_path / "guard")
        bob.keys.guard.store(encode_unused(bob.keys.list()[0]))
        await network.start(bob)
        await network.reach(2)
        dave.keys.add("//Bob//new")
        await rotate(bob, "//Bob//new")
        await dave.stop()
        dave.keys.forget("//Dave")
        chain = network.seat("Alice").host.chain
        await network.wait(lambda: chain.api.authority_set().set_id == 1)
        await network.start(dave)
        await network.wait(lambda: public_of(bob) is None)
        await network.reach(chain.finalized.number + 3, network.seat("Alice"), network.seat("Charlie"))


@pytest.mark.slow
async def test_validator_that_heard_its_twin_signs_nothing_after_a_restart_until_the_operator_says_so(
    tmp_path: Path,
) -> None:
    async with LocalNetwork() as network:
        bob = await guard_on_disk(network, tmp_path)
        bob.keys.copied = CopiedKeys(tmp_path / "second-copy")
        await bob.stop()
        await network.start(bob)
        await network.wait(lambda: bool(votes_of(bob.host.chain, 1, 0)[1]))
        await hear_twin(network, bob)
        assert bob.keys.copied.load() == bob.keys.list()
        await bob.stop()
        await network.start(bob)
        chain = network.seat("Alice").host.chain
        begun = chain.finalized.number + 1
        await network.reach(begun + 3)
        assert public_of(bob) is None
        certified, voted = votes_of(chain, 1, 0)
        assert [number for number in voted if number > begun] == []
        assert certified[-1] >= begun + 3
        await bob.stop()
        bob.keys.copied.path.unlink()
        await network.start(bob)
        begun = bob.final
        await network.wait(lambda: any(number > begun for number in votes_of(bob.host.chain, 1, 0)[1]))
        network.ensure_agreed()


async def hear_twin(network: LocalNetwork, seat: Seat) -> None:
    """Let a validator hear statements by its own key, above all that it signed, until it stops."""
    key = Keypair.from_uri(f"//{seat.name}", Scheme.ED25519)

    def is_stopped() -> bool:
        agreement = seat.host.agreement
        assert agreement is not None
        vote = Vote(0, agreement.instance, agreement.instance, 9, Hash(b"\7" * 32), STEP_PREPARE, 1, UNSIGNED)
        signature = key.sign(signed_bytes(seat.host.chain.genesis_hash, vote))
        seat.hear("twin", encode_message(structs.replace(vote, signature=signature)))
        return public_of(seat) is None

    await network.wait(is_stopped)
