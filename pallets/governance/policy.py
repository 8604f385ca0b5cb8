"""Policy outbox: what governance orders other chains to do, for anybody to prove to them.

Responsible for numbering orders by chain, for their bounds, and for keeping each until its chain has told
what became of it. It knows who decides and who brings acknowledgements as Protocols, and no other chain.

An order lies under `Outbox(chain, nonce)` unchanged from the block that sends it on, so that a proof of the
state under any later block's root shows it; the key is Twox64Concat of both parts, as metadata tells.

Invariants (checked by `try_state`): an order lies under its own chain and nonce, the nonces are below the
next one of their chain, and no more than `MESSAGES_MAX` lie there for a chain.
"""

from __future__ import annotations

from pallets.governance import weights
from pallets.governance.policy_types import (
    LIFETIME_MAX_MS,
    MESSAGES_MAX,
    ChainNumber,
    Message,
    Nonce,
    OutboxConfig,
    Outcome,
    Payload,
    is_within_bounds,
)
from runtime.frame.call import call
from runtime.frame.dispatch import Origin, PalletError
from runtime.frame.event import Event
from runtime.frame.pallet import Pallet, constant
from runtime.frame.storage import TWOX_64_CONCAT, DoubleMap, Map, storage
from runtime.primitives.arithmetic import U64_MAX, checked_add
from runtime.primitives.scale import u32, u64


class PolicyOutbox(Pallet[OutboxConfig]):
    """Orders to other chains."""

    outbox: DoubleMap[ChainNumber, Nonce, Message | None] = storage(
        TWOX_64_CONCAT, TWOX_64_CONCAT, docs="Orders that are not acknowledged, by chain and nonce."
    )
    next_nonce: Map[ChainNumber, Nonce] = storage(
        TWOX_64_CONCAT, default=0, docs="The nonce of the next order to a chain."
    )
    open_count: Map[ChainNumber, u32] = storage(
        TWOX_64_CONCAT, default=0, docs="How many orders to a chain are not acknowledged."
    )

    class Sent(Event, index=0):
        """An order to a chain was recorded."""

        chain: ChainNumber
        nonce: Nonce

    class Acknowledged(Event, index=1):
        """A chain told what became of an order."""

        chain: ChainNumber
        nonce: Nonce
        outcome: Outcome

    class OutOfBounds(PalletError, index=0):
        """The order exceeds what a chain may be ordered."""

    class InvalidPeriod(PalletError, index=1):
        """The order expires before it has effect, has expired already, or is valid for too long."""

    class TooManyOpen(PalletError, index=2):
        """Too many orders to this chain are not acknowledged yet."""

    class UnknownMessage(PalletError, index=3):
        """No order with this nonce waits for its acknowledgement."""

    @constant
    def messages_max(self) -> u32:
        """Most orders to one chain that are not acknowledged."""
        return MESSAGES_MAX

    @call(0, weight=weights.POLICY_SEND)
    def send(
        self, origin: Origin, chain: ChainNumber, payload: Payload, not_before_ms: u64, expires_ms: u64
    ) -> None:
        """Order a chain to do something from one time on, and no later than another, in milliseconds."""
        self.config.origins.ensure_policy(origin)
        if not is_within_bounds(payload):
            raise self.OutOfBounds
        now = self.config.clock.now_ms()
        if not max(now, not_before_ms) < expires_ms <= now + LIFETIME_MAX_MS:
            raise self.InvalidPeriod
        waiting = self.open_count.get(chain)
        if waiting >= MESSAGES_MAX:
            raise self.TooManyOpen
        nonce = self.next_nonce.get(chain)
        self.next_nonce.put(chain, checked_add(nonce, 1, U64_MAX))
        self.open_count.put(chain, waiting + 1)
        self.outbox.put(chain, nonce, Message(chain, nonce, payload, not_before_ms, expires_ms))
        self.deposit(self.Sent(chain, nonce))

    @call(1, weight=weights.POLICY_ACKNOWLEDGE)
    def acknowledge(self, origin: Origin, chain: ChainNumber, nonce: Nonce, outcome: Outcome) -> None:
        """Record what became of an order, as its chain's state was proven to hold."""
        self.config.bridge.ensure_relayed(origin, chain)
        if self.outbox.get(chain, nonce) is None:
            raise self.UnknownMessage
        self.outbox.remove(chain, nonce)
        waiting = self.open_count.get(chain) - 1
        if waiting:
            self.open_count.put(chain, waiting)
        else:
            self.open_count.remove(chain)
        self.deposit(self.Acknowledged(chain, nonce, outcome))

    def try_state(self) -> None:
        """AssertionError unless orders, nonces and counts agree."""
        counts: dict[int, int] = {}
        for (chain, nonce), found in self.outbox.items():
            assert found is not None
            assert (found.chain, found.nonce) == (chain, nonce), f"order {chain}/{nonce} lies elsewhere"
            assert nonce < self.next_nonce.get(chain), f"order {chain}/{nonce} is still to come"
            assert is_within_bounds(found.payload), f"order {chain}/{nonce} is out of bounds"
            counts[chain] = counts.get(chain, 0) + 1
        assert dict(self.open_count.items()) == counts, "counts of open orders"
        assert all(count <= MESSAGES_MAX for count in counts.values()), "too many open orders"
