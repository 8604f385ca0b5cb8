"""Two versions of one chain with a pallet whose storage changed between them, for tests of upgrades.

`python -m tests.support.notes` writes the state of the first version to tests/pallets/data/notes_v1.json.
The file is what a migration has to cope with: do not write it again for a later version. While nothing was
released, it was written anew when stored formats of other pallets changed without a new version.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from genesis.consortium import (
    BLOCK_LENGTH_MAX,
    BLOCK_WEIGHT_MAX,
    EXISTENTIAL_DEPOSIT,
    NORMAL_PERCENT,
    UNIT,
    make_version,
)
from pallets.core import weights
from pallets.core.session import Session, SessionConfig, SessionKeys
from pallets.core.system import System, SystemConfig
from pallets.core.system_types import make_limits
from pallets.core.timestamp import Timestamp, TimestampConfig
from pallets.core.upgrades import Upgrades, UpgradesConfig
from pallets.token.balances import Balances, BalancesConfig
from runtime.frame.call import call
from runtime.frame.dispatch import NO_WEIGHT, Origin, Weight, ensure_signed
from runtime.frame.pallet import Pallet
from runtime.frame.runtime import RuntimeBuilder
from runtime.frame.runtime_api import RuntimeApi
from runtime.frame.state import State
from runtime.frame.storage import (
    BLAKE2_128_CONCAT,
    TWOX_64_CONCAT,
    CountedMap,
    DoubleMap,
    Map,
    Value,
    storage,
)
from runtime.primitives.scale import Struct, u8, u32, u64
from runtime.primitives.types import AccountId
from tests.support.chain import ALICE, BOB, CHARLIE, Chain

OLD_STATE = Path(__file__).parents[1] / "pallets" / "data" / "notes_v1.json"


class NoteV1(Struct):
    text: bytes
    at: u32


class Note(Struct):
    text: bytes
    at: u64
    stars: u8


class NotesV1(Pallet[None]):
    """What accounts wrote down, first version."""

    crate = "notes"

    notes: CountedMap[AccountId, NoteV1 | None] = storage(BLAKE2_128_CONCAT, bound="what the tests write")
    likes: DoubleMap[AccountId, AccountId, u8] = storage(BLAKE2_128_CONCAT, TWOX_64_CONCAT, default=0)
    total: Value[u32] = storage(default=0)
    unchanged: Map[AccountId, u32] = storage(TWOX_64_CONCAT, default=0)

    @call(0, weight=NO_WEIGHT)
    def write(self, origin: Origin, text: bytes) -> None:
        """Write something down."""
        who = ensure_signed(origin)
        self.notes.put(who, NoteV1(text, len(text)))
        self.total.put(self.total.get() + 1)
        self.unchanged.put(who, 7)

    @call(1, weight=NO_WEIGHT)
    def like(self, origin: Origin, author: AccountId) -> None:
        """Like what somebody wrote."""
        self.likes.put(author, ensure_signed(origin), 1)


class NotesV2(Pallet[None]):
    """What accounts wrote down, second version: notes have stars, numbers are wider, empty notes are gone."""

    crate = "notes"

    notes: CountedMap[AccountId, Note | None] = storage(BLAKE2_128_CONCAT, bound="what the tests write")
    likes: DoubleMap[AccountId, AccountId, u32] = storage(BLAKE2_128_CONCAT, TWOX_64_CONCAT, default=0)
    total: Value[u64] = storage(default=0)
    unchanged: Map[AccountId, u32] = storage(TWOX_64_CONCAT, default=0)

    def on_runtime_upgrade(self, from_version: int) -> Weight:
        """Convert what version 1 stored."""
        if from_version < 2:
            self.notes.translate(NoteV1, lambda _who, old: Note(old.text, old.at, 3) if old.text else None)
            self.likes.translate(u8, lambda keys, old: old * 10 if keys[0] != keys[1] else 1)
            self.total.translate(u32, lambda old: old * 100)
        return Weight(1_000, 0)

    @call(0, weight=NO_WEIGHT)
    def write(self, origin: Origin, text: bytes, stars: u8) -> None:
        """Write something down."""
        self.notes.put(ensure_signed(origin), Note(text, len(text), stars))


@dataclass(frozen=True, slots=True)
class NotesChain:
    """The composed pallets."""

    api: RuntimeApi
    system: System
    balances: Balances
    session: Session
    upgrades: Upgrades
    notes: Pallet[None]


def compose_notes(state: State, spec_version: int) -> NotesChain:
    """Return version 1 or 2 of the chain over a state; version 3 is like 2."""
    build = RuntimeBuilder(state)
    version = make_version(spec_version)
    limits = make_limits(BLOCK_WEIGHT_MAX, BLOCK_LENGTH_MAX, NORMAL_PERCENT, weights.EXTRINSIC_BASE)
    system = build.add(System, index=0, name="System", config=SystemConfig(version, limits))
    timestamp = TimestampConfig(minimum_period=500, system=system)
    build.add(Timestamp, index=1, name="Timestamp", config=timestamp)
    upgrades = build.add(Upgrades, index=7, name="Upgrades", config=UpgradesConfig(system, 2))
    session = build.add(Session, index=9, name="Session", config=SessionConfig(system))
    balances = build.add(
        Balances, index=10, name="Balances", config=BalancesConfig(EXISTENTIAL_DEPOSIT, system)
    )
    notes: Pallet[None] = build.add(
        NotesV1 if spec_version == 1 else NotesV2, index=20, name="Notes", config=None
    )
    runtime = build.build(version, system, system.extensions())
    return NotesChain(RuntimeApi(runtime, session, ()), system, balances, session, upgrades, notes)


def write_notes_genesis(chain: NotesChain) -> None:
    """Endow three accounts."""
    chain.system.genesis()
    chain.balances.genesis(tuple((who, UNIT) for who in (ALICE, BOB, CHARLIE)))
    chain.session.genesis(((ALICE, SessionKeys(bytes(32))),))
    chain.system.events.kill()


def old_chain() -> Chain[NotesChain]:
    """Return a chain of version 1 in block 2, with notes written in block 1."""
    chain = Chain(lambda state: compose_notes(state, 1), write_notes_genesis)
    chain.ok(ALICE, "Notes.write", b"first")
    chain.ok(BOB, "Notes.write", b"")
    chain.ok(CHARLIE, "Notes.write", b"third")
    chain.ok(ALICE, "Notes.like", CHARLIE)
    chain.ok(BOB, "Notes.like", BOB)
    chain.next_block()
    return chain


def load_old_state() -> dict[bytes, bytes]:
    """Return the committed state of version 1."""
    listed = json.loads(OLD_STATE.read_text())
    return {bytes.fromhex(key): bytes.fromhex(value) for key, value in listed.items()}


if __name__ == "__main__":
    entries = old_chain().backend.entries
    text = {key.hex(): value.hex() for key, value in sorted(entries.items())}
    OLD_STATE.write_text(json.dumps(text, indent=1) + "\n")
