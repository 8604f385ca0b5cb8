"""Policy inbox: orders that another chain proves to have given, carried out unless regulators object.

Responsible for taking each order once and in sequence, for checking its bounds again, for the time in which
regulators may veto it, and for telling what became of it. It knows as Protocols who brings proven orders, who
sits for the regulators and what carries orders out.

Nonces of a chain are taken one after the other, so no order comes twice and none is left out. An order that
cannot be carried out, since it expired or exceeds the bounds, is taken all the same and its outcome kept, or
those behind it would never come. Orders about the same thing have effect in the order of their nonces; others
do not wait for each other, so that a halt of the market does not stand behind a fee of next month.

Invariants (checked by `try_state`): the nonces that wait are listed in order, below the next one of their
chain, each with its record and the reverse; none of them has an outcome, and none was vetoed by enough seats.
"""

from __future__ import annotations

from pallets.governance import weights
from pallets.governance.policy_types import (
    ACKS_KEPT,
    MESSAGES_MAX,
    SEATS_MAX,
    ChainNumber,
    InboxConfig,
    Message,
    Nonce,
    Nonces,
    Outcome,
    SettledNonces,
    Waiting,
    is_within_bounds,
    subject_of,
)
from runtime.frame.call import call
from runtime.frame.dispatch import (
    DispatchError,
    Origin,
    PalletError,
    Pays,
    PostDispatchInfo,
    Weight,
    ensure_signed,
)
from runtime.frame.event import Event
from runtime.frame.pallet import Pallet, constant
from runtime.frame.storage import TWOX_64_CONCAT, DoubleMap, Map, storage
from runtime.primitives.arithmetic import U64_MAX, ArithmeticFailure, checked_add
from runtime.primitives.scale import u32, u64
from runtime.primitives.types import AccountId


class PolicyInbox(Pallet[InboxConfig]):
    """Orders from other chains."""

    inbox: Map[ChainNumber, Nonce] = storage(
        TWOX_64_CONCAT, default=0, docs="The nonce of the order that is to come next from a chain."
    )
    waiting: Map[ChainNumber, Nonces] = storage(
        TWOX_64_CONCAT, default=(), docs="Nonces of the orders from a chain that wait, ascending."
    )
    veto_window: DoubleMap[ChainNumber, Nonce, Waiting | None] = storage(
        TWOX_64_CONCAT, TWOX_64_CONCAT, docs="Orders that wait, by the chain they come from and nonce."
    )
    acks: DoubleMap[ChainNumber, Nonce, Outcome | None] = storage(
        TWOX_64_CONCAT, TWOX_64_CONCAT, docs="What became of the last orders from a chain."
    )

    settled: Map[ChainNumber, SettledNonces] = storage(
        TWOX_64_CONCAT, default=(), docs="The nonces of these, in the order in which they were settled."
    )

    class Received(Event, index=0):
        """An order was taken; regulators may veto it until a time in milliseconds."""

        source: ChainNumber
        nonce: Nonce
        closes_ms: u64

    class Objected(Event, index=1):
        """A regulator vetoed an order."""

        source: ChainNumber
        nonce: Nonce
        who: AccountId

    class Settled(Event, index=2):
        """It is known what became of an order."""

        source: ChainNumber
        nonce: Nonce
        outcome: Outcome

    class WrongChain(PalletError, index=0):
        """The order is for another chain."""

    class WrongNonce(PalletError, index=1):
        """The order was taken before, or one before it was not."""

    class TooManyWaiting(PalletError, index=2):
        """Too many orders of this chain wait."""

    class UnknownMessage(PalletError, index=3):
        """No such order waits."""

    class WindowClosed(PalletError, index=4):
        """The time for a veto is over."""

    class AlreadyVetoed(PalletError, index=5):
        """This regulator vetoed the order before."""

    class TooEarly(PalletError, index=6):
        """The order has no effect yet."""

    class EarlierWaits(PalletError, index=7):
        """An earlier order about the same thing comes first."""

    @constant
    def veto_ms(self) -> u64:
        """How long regulators may veto an order, in milliseconds."""
        return self.config.veto_ms

    @constant
    def vetoes_needed(self) -> u32:
        """How many regulators stop an order."""
        return self.config.vetoes_needed

    @call(0, weight=weights.POLICY_RECEIVE)
    def receive(self, origin: Origin, source: ChainNumber, message: Message) -> None:
        """Take the next order of a chain, as its state was proven to hold."""
        self.config.bridge.ensure_relayed(origin, source)
        nonce = message.nonce
        if message.chain != self.config.chain:
            raise self.WrongChain
        if nonce != self.inbox.get(source):
            raise self.WrongNonce
        listed, now = self.waiting.get(source), self.config.clock.now_ms()
        if len(listed) >= MESSAGES_MAX:
            raise self.TooManyWaiting
        self.inbox.put(source, checked_add(nonce, 1, U64_MAX))
        if not is_within_bounds(message.payload):
            self._conclude(source, nonce, Outcome.Refused)
            return
        if now > message.expires_ms:
            self._conclude(source, nonce, Outcome.Expired)
            return
        closes_ms = checked_add(now, self.config.veto_ms, U64_MAX)
        self.waiting.put(source, (*listed, nonce))
        self.veto_window.put(source, nonce, Waiting(message, closes_ms, ()))
        self.deposit(self.Received(source, nonce, closes_ms))

    @call(1, weight=weights.POLICY_VETO)
    def veto(self, origin: Origin, source: ChainNumber, nonce: Nonce) -> None:
        """Object to an order, as a regulator; enough objections stop it."""
        who = self.config.seats.ensure_regulator(origin)
        found = self._waiting(source, nonce)
        if self.config.clock.now_ms() >= found.closes_ms:
            raise self.WindowClosed
        if who in found.vetoes:
            raise self.AlreadyVetoed
        vetoes = (*found.vetoes, who)
        self.deposit(self.Objected(source, nonce, who))
        if len(vetoes) >= min(self.config.vetoes_needed, SEATS_MAX):
            self._settle(source, nonce, Outcome.Vetoed)
        else:
            self.veto_window.put(source, nonce, Waiting(found.message, found.closes_ms, vetoes))

    def _apply_weight(self, source: int, nonce: int) -> Weight:  # noqa: ARG002 (the arguments)
        return weights.POLICY_APPLY.plus(self.config.target_weight)

    @call(2, weight=_apply_weight)
    def apply(self, origin: Origin, source: ChainNumber, nonce: Nonce) -> PostDispatchInfo:
        """Carry out an order whose time has come; anybody may ask, and pays no fee when it is settled."""
        ensure_signed(origin)
        found, now = self._waiting(source, nonce), self.config.clock.now_ms()
        if now > found.message.expires_ms:
            self._settle(source, nonce, Outcome.Expired)
            return PostDispatchInfo(None, Pays.No)
        if now < max(found.closes_ms, found.message.not_before_ms):
            raise self.TooEarly
        if self._is_behind_another(source, found.message):
            raise self.EarlierWaits
        mark = self.state.mark()
        try:
            self.config.target.apply_policy(found.message.payload)
        except (DispatchError, ArithmeticFailure):
            self.state.rollback(mark)
            self._settle(source, nonce, Outcome.Refused)
        else:
            self._settle(source, nonce, Outcome.Applied)
        return PostDispatchInfo(None, Pays.No)

    def try_state(self) -> None:
        """AssertionError unless lists, records and outcomes agree."""
        assert 1 <= self.config.vetoes_needed <= SEATS_MAX, "vetoes needed"
        count = 0
        for source, listed in self.waiting.items():
            assert listed == tuple(sorted(set(listed))), "nonces that wait out of order"
            assert len(listed) <= MESSAGES_MAX, "too many orders wait"
            count += len(listed)
            for nonce in listed:
                found = self.veto_window.get(source, nonce)
                assert found is not None, f"order {source}/{nonce} is listed without its record"
                assert found.message.nonce == nonce < self.inbox.get(source), f"order {source}/{nonce}"
                assert self.acks.get(source, nonce) is None, f"order {source}/{nonce} has an outcome"
                assert len(found.vetoes) < self.config.vetoes_needed, f"order {source}/{nonce} was vetoed"
        assert sum(1 for _ in self.veto_window.items()) == count, "a record that is not listed"
        assert all(nonce < self.inbox.get(source) for (source, nonce), _ in self.acks.items()), (
            "an early outcome"
        )

    def _waiting(self, source: int, nonce: int) -> Waiting:
        found = self.veto_window.get(source, nonce)
        if found is None:
            raise self.UnknownMessage
        return found

    def _is_behind_another(self, source: int, message: Message) -> bool:
        """Tell whether an earlier order about the same thing waits that may still have effect."""
        subject, now = subject_of(message.payload), self.config.clock.now_ms()
        for nonce in self.waiting.get(source):
            if nonce == message.nonce:
                return False
            earlier = self._waiting(source, nonce).message
            if subject_of(earlier.payload) == subject and now <= earlier.expires_ms:
                return True
        return False

    def _settle(self, source: int, nonce: int, outcome: Outcome) -> None:
        """End the wait of an order."""
        rest = tuple(other for other in self.waiting.get(source) if other != nonce)
        if rest:
            self.waiting.put(source, rest)
        else:
            self.waiting.remove(source)
        self.veto_window.remove(source, nonce)
        self._conclude(source, nonce, outcome)

    def _conclude(self, source: int, nonce: int, outcome: Outcome) -> None:
        """Keep the outcome of an order, and forget the oldest when too many are kept."""
        kept = self.settled.get(source)
        if len(kept) >= ACKS_KEPT:
            self.acks.remove(source, kept[0])
            kept = kept[1:]
        self.settled.put(source, (*kept, nonce))
        self.acks.put(source, nonce, outcome)
        self.deposit(self.Settled(source, nonce, outcome))
