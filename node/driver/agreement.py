"""The driver of agreement among several authorities: feeds the PBFT engine of one chain, and performs its
effects.

Responsible for what the engine must not see or do: signatures, blocks, timers, durability, and peers who are
behind. A message reaches the engine only when `checks` and its signatures are right; a block is durable
before its verdict is handed in; a statement is signed under the guard before it leaves; a certificate is
carried out before the next instance begins. It knows no rule of agreement and no transport.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

import structlog

from node.chain.branches import BlockInfo
from node.chain.chain import Chain
from node.chain.errors import BlockAhead, ConflictingCertificate, UnknownBlock
from node.chain.rules import get_time
from node.clock import Clock
from node.consensus.agenda import Agenda
from node.consensus.checks import Rejected, check_message
from node.consensus.early import EarlyMessages, instance_of
from node.consensus.effects import (
    Begun,
    Broadcast,
    Build,
    Built,
    Certified,
    Decide,
    Judge,
    Judged,
    PbftEffect,
    PbftInput,
    Persist,
    Received,
    Report,
    SetTimer,
    Sign,
    Signed,
    TimerFired,
)
from node.consensus.guard import GuardRefused
from node.consensus.messages import (
    Decided,
    Proposal,
    Status,
    ViewChange,
    decode_message,
    encode_message,
    get_statement,
)
from node.consensus.pbft import Pbft, Times
from node.driver.new_key import LOOKED_BACK, NewKey
from node.driver.surroundings import Peer, Wire, Work
from node.driver.vote_keys import VoteKeys
from runtime.frame.executive import InvalidBlock
from runtime.primitives.block import Block, hash_header
from runtime.primitives.certificate import Certificate, InvalidCertificate, verify_certificate
from runtime.primitives.committee import Committee
from runtime.primitives.crypto import verify
from runtime.primitives.hashing import blake2_256
from runtime.primitives.scale import DecodeError
from runtime.primitives.statements import Value, Vote, position_of
from runtime.primitives.types import Hash

INPUTS_MAX: Final = 4_096
"""Messages that may wait; a sender whose message finds no place is told so."""
RELAYED_MAX: Final = 8_192
"""Messages known to have been passed on."""
VERIFIED_MAX: Final = 8_192
"""Signatures known to be right, so that repeated messages and justifications cost nothing."""
FETCH_TRIES: Final = 10
FETCH_PAUSE_S: Final = 0.1

log = structlog.get_logger("agreement")


@dataclass(frozen=True, slots=True)
class AgreementSettings:
    """The chain's timing."""

    block_time_ms: int
    times: Times


class _Heard(NamedTuple):
    peer: Peer
    message: Vote | ViewChange | Proposal | Status | Decided


class _Caught(NamedTuple):
    """Certified blocks from a peer, oldest first, and who waits for them to be carried out."""

    blocks: Sequence[tuple[Block, Certificate]]
    done: asyncio.Future[None]


class _Answer(NamedTuple):
    """An answer to the engine, with the instance that it is for."""

    instance: int | None
    event: PbftInput


_Event: TypeAlias = _Heard | _Caught | _Answer


class AgreementDriver:
    """Runs the engine for one chain; see the module."""

    def __init__(
        self,
        chain: Chain,
        work: Work,
        wire: Wire,
        keys: VoteKeys,
        clock: Clock,
        settings: AgreementSettings,
        *,
        on_rejected: Callable[[Peer, str], None],
    ) -> None:
        """`on_rejected` hears of peers that sent what no honest one sends.

        A key without a record of what it signed watches first: see `new_key`.
        """
        self._chain = chain
        self._work = work
        self._wire = wire
        self._keys = keys
        self._signer = signer = keys.current
        self._clock = clock
        self._settings = settings
        self._on_rejected = on_rejected
        self._engine = Pbft(settings.times)
        self._events: asyncio.Queue[_Event] = asyncio.Queue(INPUTS_MAX)
        self._early: EarlyMessages[Peer] = EarlyMessages()
        self._verified: dict[tuple[bytes, bytes, bytes], None] = {}
        self._relayed: dict[bytes, None] = {}
        self._committee: Committee | None = None
        self._deadline_ms: int | None = None
        self._new_key = NewKey(is_watching=signer is not None and signer.is_new)
        self._is_member = False
        self._tasks: asyncio.TaskGroup | None = None
        self._filling: asyncio.Task[None] | None = None
        self._hint: Peer | None = None

    @property
    def instance(self) -> int:
        """What is being decided: the block above the last final one."""
        return self._chain.finalized.number + 1

    @property
    def view(self) -> int:
        """The attempt at it."""
        return self._engine.view

    @property
    def public(self) -> bytes | None:
        """The public key that votes are signed with; None for an observer."""
        return None if self._signer is None else self._signer.public

    def authority_index(self) -> int | None:
        """Return this node's place in the set that decides the next block, None for an observer."""
        return self._index_in(self._load_committee())

    async def finalize_now(self, block_hash: Hash) -> None:
        """GuardRefused: no authority finalizes a block of this chain alone."""
        raise GuardRefused(f"0x{block_hash.hex()}: the authorities of this chain agree on its blocks")

    def hear(self, peer: Peer, data: bytes) -> bool:
        """Take in what a peer says; false when there is no room for it at the moment."""
        try:
            message = decode_message(data)
        except DecodeError as error:
            self._on_rejected(peer, str(error))
            return True
        try:
            self._events.put_nowait(_Heard(peer, message))
        except asyncio.QueueFull:
            return False
        return True

    async def catch_up(self, blocks: Sequence[tuple[Block, Certificate]]) -> None:
        """Import certified blocks from a peer, oldest first; those that are final here are passed over.

        InvalidCertificate or InvalidBlock at the first that is wrong, UnknownBlock where one is missing
        before it; those before it stay.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        await self._events.put(_Caught(blocks, done))
        await done

    def greet(self, peer: Peer) -> None:
        """Tell a peer that has come where this node stands."""
        self._wire.send(peer, encode_message(Status(self.instance, self.view)))

    def forget(self, peer: Peer) -> None:
        """Drop what is kept of a peer that has gone."""
        self._early.forget(peer)
        self._new_key.forget(peer)

    async def run(self) -> None:
        """Drive the engine for ever."""
        async with asyncio.TaskGroup() as self._tasks:
            await self._perform(self._engine.start(self._now()))
            await self._begin()
            while True:
                match await self._next_event():
                    case _Heard(peer, message):
                        await self._on_heard(peer, message)
                    case _Caught(blocks, done):
                        await self._on_caught(blocks, done)
                    case _Answer(instance, event):
                        if instance == self._engine.instance:
                            await self._give(event)
                if self._new_key.has_seen_enough(self._now()):
                    await self._begin()

    # --- from peers

    async def _on_heard(self, peer: Peer, message: Vote | ViewChange | Proposal | Status | Decided) -> None:
        match message:
            case Status():
                self._on_status(peer, message)
            case Decided():
                await self._on_decided(peer, message.certificate)
            case _:
                await self._on_statement(peer, message)

    def _on_status(self, peer: Peer, status: Status) -> None:
        """Help a peer that is behind with the next certificate it needs; a new key hears who is ahead."""
        if self._committee is not None:
            self._new_key.hear(peer, status.instance, self.instance, self._committee, self._now())
        if not 0 < status.instance < self.instance:
            return
        block_hash = self._chain.hash_at(status.instance)
        certificate = None if block_hash is None else self._chain.certificate(block_hash)
        if certificate is not None:
            self._wire.send(peer, encode_message(Decided(certificate)))

    def _look_for_own(self, certificate: Certificate, committee: Committee, *, is_past: bool) -> None:
        """Look for the signature of a key that seems to be new in what was decided."""
        if self._new_key.see(certificate, committee, self._index_in(committee), is_past=is_past):
            self._stop_signing("guard_missing", "a certificate of this chain has a signature by this key")

    def _stop_signing(self, event: str, reason: str) -> None:
        log.error(event, number=self.instance, reason=reason)
        self._keys.give_up()
        self._signer = None

    async def _stop_for_copy(self) -> None:
        """Sign no more with a key that another node signs with, nor after a restart."""
        public = self.public
        self._stop_signing("second_copy", "another node signs with this key; this one signs nothing with it")
        if public is not None:
            await self._keys.remember_copied(public)
        await self._begin()

    async def _choose_key(self, committee: Committee) -> None:
        """Sign with the key that the set has; one without a record watches from when the set has it."""
        chosen = await self._keys.choose([key for key, _ in committee.authorities])
        is_other, self._signer = chosen is not self._signer, chosen
        is_member = self._index_in(committee) is not None
        if chosen is not None and (is_other or (is_member and not self._is_member)):
            is_new = chosen.is_new and chosen.last is None
            self._new_key = NewKey(is_watching=is_new and len(committee) > 1)  # alone it waits for nobody
            self._look_back(committee)
        self._is_member = is_member

    def _look_back(self, committee: Committee) -> None:
        """Look for the signature of a key that seems to be new in what this set decided lately."""
        last = self.instance - 1
        for number in range(last, max(0, last - LOOKED_BACK), -1):
            block_hash = self._chain.hash_at(number)
            certificate = None if block_hash is None else self._chain.certificate(block_hash)
            if certificate is None or certificate.set_id != committee.set_id:
                return
            self._look_for_own(certificate, committee, is_past=True)

    async def _on_decided(self, peer: Peer, certificate: Certificate) -> None:
        if certificate.instance != self._engine.instance or self._committee is None:
            return
        committee = self._committee
        try:
            self._ensure_certified(certificate, committee)
        except InvalidCertificate as error:
            self._on_rejected(peer, str(error))
            return
        self._hint = peer
        await self._give(Certified(certificate))
        self._wire.send(peer, encode_message(Status(self.instance, 0)))

    async def _on_statement(self, peer: Peer, message: Vote | ViewChange | Proposal) -> None:
        instance = instance_of(message)
        if instance != self._engine.instance or self._committee is None:
            self._early.keep(peer, message, self.instance - 1 if self._committee is None else self.instance)
            return
        try:
            checks = check_message(message, instance, self._committee)
        except Rejected as error:
            self._on_rejected(peer, str(error))
            return
        if not all(self._is_right(*check) for check in checks):
            self._on_rejected(peer, "a signature is wrong")
            return
        if isinstance(message, Proposal):
            self._hint = peer
        if self._is_of_twin(message):
            await self._stop_for_copy()
            return  # it is repeated
        if self._new_key.is_watching:
            self._new_key.hear_statement(get_statement(message).index)
            self._early.keep(peer, message, instance - 1)  # for when this key may sign
        self._relay(peer, message)
        await self._give(Received(message))

    def _is_of_twin(self, message: Vote | ViewChange | Proposal) -> bool:
        """Tell whether this node's key has signed what this node has not."""
        if self._signer is None or self._committee is None:
            return False
        statement = get_statement(message)
        if statement.index != self._index_in(self._committee):
            return False
        last = self._signer.last
        return last is None or position_of(statement) > last.position

    def _relay(self, peer: Peer, message: Vote | ViewChange | Proposal) -> None:
        """Pass a right message on, once: not everybody is connected to everybody."""
        data = encode_message(message)
        known = blake2_256(data)
        if known in self._relayed:
            return
        if len(self._relayed) >= RELAYED_MAX:
            self._relayed.clear()
        self._relayed[known] = None
        self._wire.relay(peer, data)

    async def _on_caught(
        self, blocks: Sequence[tuple[Block, Certificate]], done: asyncio.Future[None]
    ) -> None:
        before = self.instance
        try:
            with self._chain.store.unsynced():  # nothing is said or signed before all of it is durable
                for block, certificate in blocks:
                    if block.header.number == self.instance:
                        await self._carry_out(block, certificate)
        except (InvalidCertificate, InvalidBlock, UnknownBlock) as error:
            if not done.done():
                done.set_exception(error)
        if not done.done():
            done.set_result(None)
        if self.instance != before:
            await self._begin()

    async def _carry_out(self, block: Block, certificate: Certificate) -> None:
        """Import the next block and make it final, by a certificate that is checked first."""
        committee = self._load_committee()
        if (certificate.number, certificate.block_hash) != (block.header.number, hash_header(block.header)):
            raise InvalidCertificate("the certificate is for another block")
        self._ensure_certified(certificate, committee)
        self._look_for_own(certificate, committee, is_past=True)
        await self._work.import_block(block, is_binding=True)
        await self._work.finalize(certificate, self._is_right)

    def _ensure_certified(self, certificate: Certificate, committee: Committee) -> None:
        """InvalidCertificate unless it is by a quorum, and its instance the block's number, as it is where
        each block is decided."""
        if certificate.instance != certificate.number:
            raise InvalidCertificate(f"instance {certificate.instance} for block {certificate.number}")
        of = committee.genesis, committee.set_id, committee.authorities
        verify_certificate(certificate, *of, self._is_right)

    def _is_right(self, scheme: int, key: bytes, signature: bytes, message: bytes) -> bool:
        known = (key, signature, message)
        if known in self._verified:
            return True
        if not verify(scheme, key, signature, message):
            return False
        if len(self._verified) >= VERIFIED_MAX:
            self._verified.clear()
        self._verified[known] = None
        return True

    # --- the engine

    async def _begin(self) -> None:
        """Begin the instance above the last final block, with what came early for it."""
        self._stop_filling()
        parent = self._chain.finalized
        self._committee = committee = self._load_committee()
        await self._choose_key(committee)
        authority, signer = self._index_in(committee), self._signer
        instance = parent.number + 1
        resume = None if signer is None else signer.resume(instance)
        if self._new_key.is_watching:
            authority = None
        elif signer is not None and authority is not None and (hindrance := signer.find_hindrance(instance)):
            log.error("guard_incomplete", number=instance, reason=hindrance)
            authority = None  # watch until others have decided
        wait_ms = self._compute_wait(parent)
        if resume is None and committee.leader(instance, 0) == authority:
            filling = self._work.fill(parent.hash, self._clock.now_ms() + wait_ms)
            self._filling = self._spawn(filling)
        await self._give(Begun(instance, committee, authority, self._now() + wait_ms, resume))
        for peer, message in self._early.take(instance):
            await self._on_statement(peer, message)

    async def _give(self, event: PbftInput) -> None:
        engine, before = self._engine, (self._engine.instance, self._engine.view)
        effects = engine.handle(event, self._now())
        if engine.instance == before[0] and engine.view > before[1]:
            log.info("view_changed", number=engine.instance, view=engine.view)
        await self._perform(effects)

    async def _perform(self, effects: list[PbftEffect]) -> None:
        agenda = Agenda(effects)
        while agenda:
            effect = agenda.take()
            match effect:
                case SetTimer(at_ms):
                    self._deadline_ms = at_ms
                case Sign():
                    agenda.answer(self._engine.handle(await self._sign(effect), self._now()))
                case Persist(prepared):
                    assert self._signer is not None, "only an authority prepares"
                    await self._signer.keep_prepared(prepared)
                case Broadcast(message):
                    self._wire.broadcast(encode_message(message))
                case Build(view):
                    self._spawn(self._build(self._chain.finalized, view))
                case Judge(value, is_binding):
                    self._spawn(self._judge(self._chain.finalized, value, is_binding=is_binding))
                case Report(evidence):
                    log.error("authority_misbehaved", evidence=repr(evidence))
                    self._work.report(evidence)
                case Decide(certificate):
                    await self._decide(certificate)

    async def _sign(self, effect: Sign) -> Signed:
        assert self._signer is not None, "only an authority is asked to sign"
        try:
            return Signed(await self._signer.sign_statement(effect.statement))
        except GuardRefused as refused:
            log.warning("signature_refused", reason=str(refused))
            return Signed(None)

    async def _decide(self, certificate: Certificate) -> None:
        """Carry a certificate out; while its block cannot be had, nothing else is of use."""
        value = Value(certificate.number, certificate.block_hash)
        while not await self._obtain(self._chain.finalized, value, is_binding=True):
            log.warning("decided_block_missing", number=value.number, hash=value.hash)
            await asyncio.sleep(FETCH_PAUSE_S)
        if self._committee is not None:
            self._look_for_own(certificate, self._committee, is_past=False)
        try:
            await self._work.finalize(certificate, self._is_right)
        except ConflictingCertificate as broken:
            log.error("finality_broken", number=certificate.number, reason=str(broken))  # noqa: TRY400  # no fault here
            raise
        await self._begin()

    # --- blocks

    async def _build(self, parent: BlockInfo, view: int) -> None:
        self._stop_filling()
        made = await self._work.build(parent.hash)
        await self._chain.wait_stored(made.hash)
        await self._answer(parent, Built(view, Value(made.number, made.hash)))

    async def _judge(self, parent: BlockInfo, value: Value, *, is_binding: bool) -> None:
        is_valid = await self._obtain(parent, value, is_binding=is_binding)
        await self._answer(parent, Judged(value, is_valid))

    async def _obtain(self, parent: BlockInfo, value: Value, *, is_binding: bool) -> bool:
        """Have a block executed and durable here; tell whether it is valid and stands on the parent."""
        if value.number != parent.number + 1:
            return False
        if not self._chain.is_known(value.hash):
            block = await self._fetch(value.hash)
            if block is None or block.header.parent_hash != parent.hash:
                return False
            try:
                await self._work.import_block(block, is_binding=is_binding)
            except (InvalidBlock, BlockAhead, UnknownBlock) as error:
                log.warning("proposal_refused", number=value.number, hash=value.hash, reason=str(error))
                return False
        header = self._chain.header(value.hash)
        await self._chain.wait_stored(value.hash)
        return header is not None and header.parent_hash == parent.hash

    async def _fetch(self, block_hash: Hash) -> Block | None:
        for _ in range(FETCH_TRIES):
            block = await self._wire.fetch_block(block_hash, self._hint)
            if block is not None:
                return block
            await asyncio.sleep(FETCH_PAUSE_S)
        return None

    async def _answer(self, parent: BlockInfo, event: PbftInput) -> None:
        await self._events.put(_Answer(parent.number + 1, event))

    # --- leaves of the above

    def _spawn(self, work: Awaitable[None]) -> asyncio.Task[None]:
        assert self._tasks is not None, "run() is running"
        return self._tasks.create_task(_await(work))

    def _stop_filling(self) -> None:
        if self._filling is not None:
            self._filling.cancel()
            self._filling = None

    def _load_committee(self) -> Committee:
        with self._chain.runtime_at(self._chain.finalized.hash) as api:
            current, leader = api.authority_set(), api.leader
        members = [(authority.key, authority.weight) for authority in current.authorities]
        return Committee(self._chain.genesis_hash, current.set_id, members, leader)

    def _index_in(self, committee: Committee) -> int | None:
        if self._signer is None:
            return None
        keys = [key for key, _ in committee.authorities]
        return keys.index(self._signer.public) if self._signer.public in keys else None

    def _compute_wait(self, parent: BlockInfo) -> int:
        """Return how many milliseconds the next block has to wait: until a block time after its parent's, at
        most a block time, should this clock be behind."""
        since_parent = self._clock.now_ms() - get_time(parent.header)
        return max(0, self._settings.block_time_ms - max(0, since_parent))

    async def _next_event(self) -> _Event:
        if self._deadline_ms is None:
            return await self._events.get()
        left = (self._deadline_ms - self._now()) / 1000
        if left > 0:
            try:
                async with asyncio.timeout(left):
                    return await self._events.get()
            except TimeoutError:
                pass
        self._deadline_ms = None
        return _Answer(self._engine.instance, TimerFired())

    def _now(self) -> int:
        return int(self._clock.monotonic() * 1000)


async def _await(work: Awaitable[None]) -> None:
    await work
