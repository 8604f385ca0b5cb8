"""A simulated validator: the real engine, driven as the node drives it.

Responsible for what decision record 005 asks of a driver, as `node/driver/agreement.py` does it: effects in
order, the guard with the prepared certificate on disk before a signature leaves, early messages kept and
bounded, blocks durable before their verdict, help for who is behind, and a restart that forgets nothing.
Between any two steps it may crash.
"""

from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from msgspec.structs import replace

from node.consensus.agenda import Agenda
from node.consensus.early import EarlyMessages
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
    Resume,
    SetTimer,
    Sign,
    Signed,
    TimerFired,
)
from node.consensus.guard import STATE, GuardRecord, GuardState, MaySign, MustNotSign, SignedBefore, judge
from node.consensus.messages import Decided, Proposal, Status, ViewChange, get_statement
from runtime.primitives.certificate import STEP_COMMIT, Certificate
from runtime.primitives.evidence import Evidence
from runtime.primitives.statements import STEP_VIEW_CHANGE, Statement, Value, Vote, position_of, signed_bytes
from runtime.primitives.types import Hash
from tests.sim.blocks import GENESIS, Block
from tests.sim.checker import Violation, Witness
from tests.sim.clock import LocalClock
from tests.sim.disk import Disk
from tests.sim.network import STATUS, Envelope
from tests.sim.stage import Peer, Stage
from tests.sim.world import BOOTED, CRASHED, DELIVERED, SIGNED
from tests.sim.world import DECIDED as DECIDED_EVENT

PERIOD_MS: Final = 1_000
INBOX_MAX: Final = 4_096
"""Inputs that wait for the disk."""
HURRIED_MAX: Final = 100
FETCH_PAUSE_MS: Final = 250
FETCHES_MAX: Final = 24
"""Attempts to get a block that no quorum has prepared."""
TIMESTAMP_AHEAD_MAX_MS: Final = 10_000
GUARD: Final = "guard"
STANDING: Final = (Status, Decided)
"""What is about where nodes stand, not about one instance."""


class FinalBlock(NamedTuple):
    """A final block with what proves it."""

    block: Block
    certificate: Certificate


class Node(Peer):
    """One validator or observer."""

    def __init__(self, stage: Stage, address: int, identity: int, *, is_byzantine: bool = False) -> None:
        super().__init__(stage, address, identity, is_byzantine=is_byzantine)
        self.disk = Disk()
        self.disk_ms = 0
        self.chain: list[FinalBlock] = []
        self.clock = LocalClock()
        self.steps = 0
        self.crash_at: int | None = None
        """The step, counted over the whole run, at which to crash."""
        self.crash_cut = 0
        self.reboot_ms = 1_000
        self.disk.write(GUARD, STATE.encode(GuardState(GuardRecord(0, 0, 0, b"", b""), None)))
        self.disk.sync(GUARD)
        self._epoch = 0
        self._forget()

    def _forget(self) -> None:
        """Have nothing but what is on disk."""
        self.engine = self.stage.make_engine()
        self.instance = 0
        self.guard: GuardRecord | None = None
        self.prepared: Certificate | None = None
        self.timer = 0
        self.timer_ms: int | None = None
        self.hurried = 0
        """Timers in a row that were to fire at once."""
        self.is_waiting = False
        self.effects = Agenda()
        self.inbox: deque[tuple[int, PbftInput]] = deque()
        self.early: EarlyMessages[int] = EarlyMessages()
        self.witness: Witness | None = None
        self.helper: int | None = None
        """Who sent the certificate of the present instance."""

    @property
    def set_id(self) -> int:
        """The set that decides the next height, as the last block says."""
        return self.chain[-1].block.next_set if self.chain else 0

    @property
    def head(self) -> Hash:
        """The hash of the last final block."""
        return self.chain[-1].certificate.block_hash if self.chain else GENESIS

    def _now(self) -> int:
        return self.clock.read(self.world.now)

    # --- life and death

    def boot(self, *_: object) -> None:
        """Start from what is on disk; nothing where it runs already."""
        if self.is_up:
            return
        self.is_up = True
        self._epoch += 1
        self._forget()
        self.world.note(BOOTED, self.address, 0, len(self.chain))
        self.world.tell(self.name, f"boots at height {len(self.chain)}")
        if not self.is_byzantine:
            self.stage.checker.on_booted(self.identity, len(self.chain))
        self.effects.add(self.engine.start(self._now()))
        self._resume()

    def crash(self, cut: int = 0) -> None:
        """Lose everything that is not durable; of the last record `cut` bytes stay."""
        if not self.is_up:
            return
        self.is_up = False
        self._epoch += 1
        self.crash_at = None
        self.disk.crash(cut)
        self._forget()
        self.world.note(CRASHED, self.address, 0, cut & 0xFFFF)
        self.world.tell(self.name, "crashes")

    def _resume(self) -> None:
        """Begin where the record says that this node was."""
        raw = self.disk.load(GUARD)
        if raw is not None:
            state = STATE.decode(raw)
            self.guard, self.prepared = state.last, state.prepared
        instance = len(self.chain) + 1
        seen = self.prepared
        self._begin(*self._where(instance, seen if seen is not None and seen.instance == instance else None))

    def _where(self, instance: int, prepared: Certificate | None) -> tuple[Resume | None, bool]:
        """Return where to go on, and whether to watch only, because something was lost."""
        guard = self.guard
        if guard is None or guard.instance > instance:
            return None, True
        if guard.instance < instance:
            return None, False
        if guard.step == STEP_COMMIT and (prepared is None or prepared.view != guard.view):
            return None, True
        view = guard.view + 1 if guard.step == STEP_VIEW_CHANGE else guard.view
        return Resume(view, prepared), False

    # --- inputs

    def receive(self, envelope: Envelope, source: int) -> None:
        if not self.is_up or envelope.is_lost:
            return
        world = self.world
        world.delivered += 1
        world.note(DELIVERED, self.address, source, envelope.digest)
        if world.log is not None:
            world.tell(self.name, f"<- {self.stage.peers[source].name:<6} {envelope}")
        if envelope.kind == STATUS:
            self._help(envelope, source)
        elif envelope.instance == self.instance:
            self._hand_in(envelope, source)
        elif not isinstance(envelope.message, STANDING):
            self.early.keep(source, envelope.message, self.instance)

    def _hand_in(self, envelope: Envelope, source: int) -> None:
        message = envelope.message
        if not envelope.is_right(self.committee, self.stage.verify):
            if not self.is_byzantine and not self.stage.peers[source].is_byzantine:
                raise Violation("hygiene", f"{self.name} refuses {envelope} of the correct node {source}")
            return
        if isinstance(message, Decided):
            if envelope.instance == self.engine.instance:
                self.helper = source
            self._input(envelope.instance, Certified(message.certificate))
        elif not isinstance(message, Status):
            self._input(envelope.instance, Received(message))

    def _input(self, instance: int | None, event: PbftInput) -> None:
        """Give the engine an input for the instance that it is at, once the disk is not waited for."""
        if self.is_waiting:
            if len(self.inbox) < INBOX_MAX or not isinstance(event, Received):
                self.inbox.append((instance or 0, event))
            return
        if instance is None or instance != self.engine.instance:
            return
        if self.witness is not None and type(event) is Received:
            self.witness.on_taken(event.message)
        self._take(event)
        self._perform()

    def _take(self, event: PbftInput) -> None:
        self.effects.add(self.engine.handle(event, self.clock.read(self.world.now)))

    def _on_timer(self, epoch: int, timer: int) -> None:
        if epoch == self._epoch and timer == self.timer:
            self.timer_ms = None
            self._input(self.engine.instance, TimerFired())

    # --- effects

    def _perform(self) -> None:
        """Perform effects in order, up to one that waits for the disk or a crash."""
        while self.effects and not self.is_waiting:
            effect = self.effects.take()
            kind = type(effect)
            if (kind is not Broadcast and kind is not Decide) or not self._step():
                self._do(effect)

    def _do(self, effect: PbftEffect) -> None:
        match effect:
            case SetTimer(at_ms):
                self.set_timer(at_ms)
            case Broadcast(message):
                self._say(message)
            case Sign(statement):
                self._sign(statement)
            case Persist(prepared):
                self._persist(prepared)
            case Decide(certificate):
                self._decide(certificate)
            case Build(view):
                self._later(self.world.random.randint(5, 50), self._build, view)
            case Judge(value, is_binding):
                self._judge(value, is_binding=is_binding)
            case Report(evidence):
                self._report(evidence)

    def _report(self, evidence: Evidence) -> None:
        if self.witness is not None:
            self.witness.on_reported(evidence.first.index)
            self.stage.checker.on_reported(self.identity, evidence)

    def _step(self) -> bool:
        """Count a step that the world or the disk sees; tell whether this is the one to crash at."""
        self.steps += 1
        if self.steps != self.crash_at:
            return False
        self.crash(self.crash_cut)
        self.world.at(self.world.now + self.reboot_ms, self.boot)
        return True

    def _later(self, delay_ms: int, act: Callable[..., None], argument: object) -> None:
        """Do something for the present instance after a while, unless there was a crash."""
        place = (self._epoch, self.instance)
        self.world.at(self.world.now + delay_ms, self._continue, place, (act, argument))

    def _continue(self, place: tuple[int, int], what: tuple[Callable[..., None], object]) -> None:
        if place == (self._epoch, self.instance):
            act, argument = what
            act(argument)

    def set_timer(self, at_ms: int) -> None:
        """Have the timer fire at a time of this node's clock."""
        self.timer += 1
        self.timer_ms = at_ms
        when = self.clock.when(at_ms, self.world.now)
        self.hurried = self.hurried + 1 if when == self.world.now else 0
        if self.hurried > HURRIED_MAX:
            raise Violation(
                "busy loop", f"{self.name} sets its timer to a time that has come, again and again"
            )
        self.world.at(when, self._on_timer, self._epoch, self.timer)

    def on_clock_changed(self) -> None:
        """Ask for the timer anew, since the clock runs otherwise now."""
        if self.is_up and self.timer_ms is not None:
            self.set_timer(self.timer_ms)

    def _say(self, message: Vote | ViewChange | Proposal | Status) -> None:
        if not self.is_byzantine and not isinstance(message, Status):
            self.stage.checker.on_said(self.identity, get_statement(message))
        self.send_out(message)

    def send_out(self, message: Vote | ViewChange | Proposal | Status) -> None:
        """Send a message to everybody."""
        self.stage.network.broadcast(self.address, message)

    # --- disk

    def _store(self, state: GuardState, after: Callable[[], None]) -> None:
        """Make the guard's record durable, then go on; a crash may come before, within, or after."""
        self.disk.write(GUARD, STATE.encode(state))
        if self._step():
            return
        if self.disk_ms == 0:
            self.sync()
            after()
        else:
            self.is_waiting = True
            self.world.at(self.world.now + self.disk_ms, self._on_stored, self._epoch, after)

    def sync(self) -> None:
        """Make durable what was written."""
        self.disk.sync(GUARD)

    def _on_stored(self, epoch: int, after: Callable[[], None]) -> None:
        if epoch != self._epoch:
            return
        self.sync()
        self.is_waiting = False
        after()
        self._perform()
        while self.inbox and not self.is_waiting:
            instance, event = self.inbox.popleft()
            self._input(instance, event)

    def _persist(self, prepared: Certificate) -> None:
        """Keep the PREPAREs of a block, to be durable with the next signature (`node/driver/signer.py`)."""
        for tell in self.stage.on_prepared:
            tell(self, prepared)
        self.prepared = prepared

    def _sign(self, statement: Statement) -> None:
        message = signed_bytes(GENESIS, statement)
        position = position_of(statement)
        match judge(self.guard, position, message):
            case MaySign():
                signature = self.stage.keys.sign(self.identity, message)
                record = GuardRecord(*position, message, signature)
                self.guard = record
                self.world.note(SIGNED, self.address, position.step, position.view & 0xFFFFFFFF)
                self._store(GuardState(record, self.prepared), lambda: self._on_signed(statement, signature))
            case SignedBefore(signature):
                self._on_signed(statement, signature)
            case MustNotSign():
                self._answer_first(Signed(None))

    def _on_signed(self, statement: Statement, signature: bytes) -> None:
        self._answer_first(Signed(replace(statement, signature=signature)))

    def _answer_first(self, event: Signed) -> None:
        self.effects.answer(self.engine.handle(event, self._now()))

    # --- blocks

    def _build(self, view: int) -> None:
        self.stage.nonce += 1
        instance = self.instance
        wall = self.world.now + self.clock.skew_ms
        parent_ms = self.chain[-1].block.timestamp_ms if self.chain else 0
        next_set = self.stage.schedule.set_id(instance + 1)
        timestamp = max(wall, parent_ms + 1)
        block = Block(instance, self.head, self.address, self.stage.nonce, timestamp, next_set)
        self.blocks[block.hash] = block
        self._input(instance, Built(view, block.value))

    def _judge(self, value: Value, *, is_binding: bool) -> None:
        def on_block(block: Block | None) -> None:
            is_valid = block is not None and self._is_valid(block, value, is_binding=is_binding)
            self._input(self.instance, Judged(value, is_valid))

        self.fetch(value.hash, on_block, FETCHES_MAX if not is_binding else None)

    def _is_valid(self, block: Block, value: Value, *, is_binding: bool) -> bool:
        if value.number != block.number or block.number != len(self.chain) + 1 or block.parent != self.head:
            return False
        if not block.is_valid or block.next_set != self.stage.schedule.set_id(block.number + 1):
            return False
        wall = self.world.now + self.clock.skew_ms
        is_liked = self.stage.is_liked(self, block)
        return is_binding or (is_liked and block.timestamp_ms <= wall + TIMESTAMP_AHEAD_MAX_MS)

    def fetch(self, block_hash: Hash, then: Callable[[Block | None], None], attempts: int | None) -> None:
        """Get a block from wherever it is and make it durable, then go on; None after so many attempts."""
        delay = self.world.random.randint(5, 60)
        self._later(delay, lambda _: self._try_fetch(block_hash, then, attempts), None)

    def _try_fetch(
        self, block_hash: Hash, then: Callable[[Block | None], None], attempts: int | None
    ) -> None:
        block = self.blocks.get(block_hash) or self.stage.find_block(self, block_hash)
        if block is None and attempts != 0:
            left = None if attempts is None else attempts - 1
            self._later(FETCH_PAUSE_MS, lambda _: self._try_fetch(block_hash, then, left), None)
            return
        if block is not None:
            self.blocks[block_hash] = block
        then(block)

    def _decide(self, certificate: Certificate) -> None:
        self.world.note(DECIDED_EVENT, self.address, certificate.view & 0xFFFF, self.instance)
        if self.world.log is not None:
            self.world.tell(
                self.name, f"DECIDES h{self.instance} v{certificate.view} {certificate.block_hash.hex()[:8]}"
            )
        if not self.is_byzantine:
            if self.witness is not None:
                self.witness.on_end()
            if self.stage.checker.on_decided(self.identity, self.instance, certificate):
                self.stage.on_first_decision(self, self.instance)

        def on_block(block: Block | None) -> None:
            assert block is not None, "a decided block is looked for until it is found"
            self._finalize(block, certificate)

        known = self.blocks.get(certificate.block_hash)
        if known is not None and self.disk_ms == 0:
            self._finalize(known, certificate)
            return
        self.fetch(certificate.block_hash, on_block, None)

    def _finalize(self, block: Block, certificate: Certificate) -> None:
        """Have a block final, durably, and begin the next instance."""
        if block.number != self.instance or block.parent != self.head:
            raise Violation(
                "validity", f"{self.name} decides block {block.number} that is no child of its head"
            )
        self.chain.append(FinalBlock(block, certificate))
        if not self.is_byzantine:
            self.stage.checker.on_final(self.identity, len(self.chain), block)
            self.stage.on_progress()
        helper, self.helper = self.helper, None
        self._begin(None, is_observer=self.guard is None)
        if helper is not None and self.is_up:
            self.stage.network.send(self.address, helper, Status(self.instance, self.engine.view))

    def _begin(self, resume: Resume | None, is_observer: bool) -> None:
        schedule = self.stage.schedule
        instance = self.instance = len(self.chain) + 1
        self.committee = schedule.committee(self.set_id)
        place = None if is_observer else schedule.place(self.set_id, self.identity)
        now = self._now()
        if not self.is_byzantine:
            self.witness = Witness(schedule, self.stage.checker.byzantine, self.set_id)
        wall = self.world.now + self.clock.skew_ms
        wait = min(self.chain[-1].block.timestamp_ms + PERIOD_MS - wall, PERIOD_MS) if self.chain else 0
        self._take(Begun(instance, self.committee, place, now + max(wait, 0), resume))
        self._perform()
        for source, message in self.early.take(instance):
            if self.is_up and instance == self.instance:
                self._hand_in(Envelope(message), source)

    # --- who is behind

    def _help(self, envelope: Envelope, source: int) -> None:
        """Send a node that is behind the certificate that it needs next."""
        if 0 < envelope.instance < self.instance:
            certificate = self.chain[envelope.instance - 1].certificate
            self.stage.network.send(self.address, source, Decided(certificate))
