"""What the operator and the tests choose for one network; values only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from node.network.messages import RULES, Kind, Rule
from node.network.multiaddr import Multiaddr
from node.network.slots import SlotLimits


@dataclass(frozen=True, slots=True)
class Timing:
    """Deadlines and periods in seconds."""

    opening_s: float = 5
    """From the first byte to the introductions; CometBFT takes 20."""
    ping_s: float = 20
    silence_s: float = 60
    """Without a sign of life, after which a peer is gone."""
    stalled_s: float = 30
    """In which a peer reads nothing of what is sent to it."""
    message_s: float = 60
    """For all pieces of one message."""
    serving_s: float = 30
    """For a handler to answer a peer's request."""
    sweep_s: float = 1
    dial_s: float = 1
    """Between looks at whom to dial."""
    discovery_s: float = 30
    """Between requests for addresses, one peer at a time."""
    backoff_s: float = 1
    backoff_max_s: float = 60
    steady_s: float = 30
    """A connection that lasted as long is no failure when it ends."""
    saving_s: float = 60


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """Where to listen, whom to know, how many."""

    listen: tuple[Multiaddr, ...] = ()
    public_addresses: tuple[Multiaddr, ...] = ()
    bootnodes: tuple[Multiaddr, ...] = ()
    reserved: tuple[Multiaddr, ...] = ()
    """Bootnodes and reserved nodes name their peer ids."""
    slots: SlotLimits = field(default_factory=SlotLimits)
    allow_private: bool = True
    agent: str = "loam"
    path: Path | None = None
    """The file of the peer store; without it nothing is remembered."""
    timing: Timing = field(default_factory=Timing)
    rules: Mapping[Kind, Rule] = field(default_factory=lambda: RULES)
