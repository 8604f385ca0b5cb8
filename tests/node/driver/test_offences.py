"""A validator's twin contradicts it: the chain gets the proof, removes the member and goes on."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from msgspec import structs

from genesis.chain_spec import ChainSpec, load_spec, make_local_spec
from node.consensus.messages import encode_message
from node.driver.reporting import PENDING_MAX, OffenceReporter
from node.pool.errors import TooLowPriority
from node.pool.pool import Pool
from node.pool.transaction import PoolTransaction
from pallets.core.offences import OffenceDetails, Offences
from pallets.core.session import Session
from runtime.primitives.certificate import verify_certificate
from runtime.primitives.crypto import Keypair, Scheme
from runtime.primitives.evidence import Evidence, OffenceKind
from runtime.primitives.hashing import blake2_256
from runtime.primitives.statements import STEP_PREPARE, UNSIGNED, Vote, signed_bytes
from runtime.primitives.types import Hash
from tests.support.chain import account
from tests.support.network import LocalNetwork, Seat
from tests.support.node_chain import make_block, open_chain
from tests.support.peers import certify_by

NAMES = ("Alice", "Bob", "Charlie", "Dave", "Eve")
EVE = 4


def spec_of(on_offence: str) -> ChainSpec:
    spec = make_local_spec(NAMES)
    assert spec.config is not None
    return replace(spec, config={**spec.config, "offences": {"onOffence": on_offence}})


def contradiction(genesis: Hash, instance: int, name: str = "Eve", index: int = EVE) -> Evidence:
    """Return two PREPAREs of a validator for different blocks."""
    key = Keypair.from_uri(f"//{name}", Scheme.ED25519)
    votes: list[Vote] = []
    for which in (b"one", b"other"):
        unsigned = Vote(0, instance, instance, 0, Hash(blake2_256(which)), STEP_PREPARE, index, UNSIGNED)
        votes.append(structs.replace(unsigned, signature=key.sign(signed_bytes(genesis, unsigned))))
    return Evidence(*votes)


def records(seat: Seat) -> list[OffenceDetails]:
    """Return what the last final state says of offences."""
    chain = seat.host.chain
    with chain.runtime_at(chain.finalized.hash) as api:
        pallet = api.runtime.pallet("Offences")
        assert isinstance(pallet, Offences)
        return [report for _, report in pallet.reports.items() if report is not None]


def validators(seat: Seat) -> tuple[bytes, ...]:
    chain = seat.host.chain
    with chain.runtime_at(chain.finalized.hash) as api:
        pallet = api.runtime.pallet("Session")
        assert isinstance(pallet, Session)
        return tuple(pallet.validators.get())


def speak_twice(network: LocalNetwork, hearers: Sequence[Seat]) -> None:
    """Let a twin of Eve contradict itself before these seats, about what they are deciding."""
    for seat in hearers:
        agreement = seat.host.agreement
        assert agreement is not None
        evidence = contradiction(seat.host.chain.genesis_hash, agreement.instance)
        for vote in (evidence.first, evidence.second):
            assert isinstance(vote, Vote)
            seat.hear("twin", encode_message(vote))


async def provoke(network: LocalNetwork, hearers: Sequence[Seat], found: Callable[[], bool]) -> None:
    """Let the twin speak until something holds: what it says must meet the instance that is decided."""
    said: dict[int, None] = {}

    def is_found() -> bool:
        if (number := hearers[0].final) not in said:
            said[number] = None
            speak_twice(network, hearers)
        return found()

    await network.wait(is_found)


@pytest.mark.slow
async def test_twin_is_recorded_and_its_member_removed_and_the_chain_goes_on() -> None:
    async with LocalNetwork(observers=1, spec=spec_of("remove"), names=NAMES) as network:
        await network.reach(1)
        honest = [seat for seat in network.seats if seat.name != "Eve"]
        await provoke(network, honest[:4], lambda: all(len(validators(seat)) == 4 for seat in honest))
        for seat in honest:
            first = records(seat)[0]
            assert (first.offender, first.kind, first.set_id) == (
                account("//Eve"),
                OffenceKind.Equivocation,
                0,
            )
            assert first.reporter is None
            assert account("//Eve") not in validators(seat)
        await network.reach(honest[0].final + 4, *honest)
        network.ensure_agreed()
        check_certificates_with_parents(network.seat("observer0"))
        await network.wait(lambda: all(seat.host.reporter.pending == 0 for seat in honest))
        eve = network.seat("Eve").host
        assert eve.agreement is not None
        assert eve.agreement.authority_index() is None


def check_certificates_with_parents(seat: Seat) -> None:
    """AssertionError unless each block is certified by the set that its parent's state has."""
    chain = seat.host.chain
    sets: list[int] = []
    for number in range(1, chain.finalized.number + 1):
        block_hash, parent_hash = chain.hash_at(number), chain.hash_at(number - 1)
        assert block_hash is not None
        assert parent_hash is not None
        found = chain.certificate(block_hash)
        assert found is not None
        with chain.runtime_at(parent_hash) as api:
            current = api.authority_set()
        pairs = [(one.key, one.weight) for one in current.authorities]
        verify_certificate(found, chain.genesis_hash, current.set_id, pairs)
        sets.append(current.set_id)
    assert (sets[0], sets[-1]) == (0, 1)


@pytest.mark.slow
async def test_twin_is_recorded_and_stays_where_the_genesis_says_so() -> None:
    async with LocalNetwork(spec=spec_of("record"), names=NAMES) as network:
        await network.reach(1)
        alice = network.seat("Alice")
        await provoke(network, [alice], lambda: bool(records(alice)))
        await network.reach(alice.final + 2)
        assert len(validators(alice)) == 5
        assert network.ensure_agreed() > 2


@pytest.mark.slow
async def test_node_that_is_no_validator_reports_what_it_hears() -> None:
    async with LocalNetwork(observers=1, spec=spec_of("record"), names=NAMES) as network:
        await network.reach(1)
        observer = network.seat("observer0")
        pool = observer.host.pool
        await provoke(network, [observer], lambda: pool.status.ready > 0)
        call = observer.host.chain.api.decode_extrinsic(pool.ready()[0].data).call
        assert (call.spec.pallet, call.spec.name) == ("Offences", "report_offence_unsigned")


# --- the reporter alone


class Desk:
    """A reporter on a chain without a network, and what it handed in."""

    def __init__(self) -> None:
        self.chain = open_chain(spec=load_spec("local"))
        self.taken: list[bytes] = []
        self.reporter = OffenceReporter(self.chain, self.submit)

    async def submit(self, raws: Sequence[bytes]) -> list[object]:
        self.taken += raws
        return [Hash(blake2_256(raw)) for raw in raws]

    def evidence(self, instance: int) -> Evidence:
        return contradiction(self.chain.genesis_hash, instance, "Dave", 3)

    async def include(self, *transactions: bytes) -> None:
        """Make a final block of these."""
        info = make_block(self.chain, *transactions).info
        await self.chain.finalize(certify_by(self.chain, info.number, info.hash))
        await settle()


async def settle() -> None:
    """Let the reporter do what it has to do."""
    for _ in range(20):
        await asyncio.sleep(0)


@asynccontextmanager
async def desk() -> AsyncIterator[Desk]:
    made = Desk()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(made.reporter.run())
        yield made
        running.cancel()
    made.chain.store.close()


async def test_evidence_is_handed_in_with_each_final_block_until_one_has_it() -> None:
    async with desk() as made:
        made.reporter.report(made.evidence(1))
        await settle()
        assert made.taken == [], "nothing can be judged before there is a block on the genesis"
        await made.include()
        assert len(made.taken) == 1
        await made.include()
        assert len(made.taken) == 2
        (raw,) = dict.fromkeys(made.taken)
        made.reporter.report(made.evidence(1))
        await settle()
        assert len(made.taken) == 2, "it waits already"
        await made.include(raw)
        assert (len(made.taken), made.reporter.pending) == (2, 0)
        made.reporter.report(made.evidence(1))
        await settle()
        assert (len(made.taken), made.reporter.pending) == (2, 0), "as after a restart: the chain has it"


async def test_what_the_chain_would_refuse_is_not_handed_in() -> None:
    async with desk() as made:
        await made.include()
        right = made.evidence(1)
        made.reporter.report(Evidence(right.first, right.first))
        made.reporter.report(made.evidence(3))
        await settle()
        assert (made.taken, made.reporter.pending) == ([], 0)


async def test_offender_that_reports_itself_without_end_fills_no_pool() -> None:
    async with desk() as made:
        for _ in range(20):
            await made.include()
        pool, refused = Pool(), 0
        for instance in range(1, 21):
            made.reporter.report(made.evidence(instance))
        await settle()
        raws, made.taken = made.taken, []
        for raw in raws:
            extrinsic = made.chain.api.decode_extrinsic(raw)
            valid = made.chain.api.validate(extrinsic)
            tags = (valid.provides, valid.requires)
            pooled = PoolTransaction(
                extrinsic.hash, raw, None, *tags, valid.priority, valid.longevity, valid.propagate, extrinsic
            )
            try:
                pool.submit(pooled, 0)
            except TooLowPriority:
                refused += 1
        assert (len(raws), refused, pool.status.ready) == (20, 19, 1)
        await made.include(raws[0])
        assert len(made.taken) == 19, "the others are handed in again"


async def test_chain_that_judges_nobody_is_told_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.driver.reporting.MAKE_REPORT", "OffencesApi_of_another_chain")
    async with desk() as made:
        await made.include()
        made.reporter.report(made.evidence(1))
        await settle()
        assert (made.taken, made.reporter.pending) == ([], 0)


async def test_so_much_waits_and_no_more() -> None:
    made = Desk()
    for instance in range(1, PENDING_MAX + 2):
        made.reporter.report(made.evidence(instance))
    assert made.reporter.pending == PENDING_MAX
    made.chain.store.close()
