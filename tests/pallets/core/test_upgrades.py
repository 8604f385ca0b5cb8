"""Upgrades: announced by Root, applied at the end of a block, and the next block begins with migrations."""

import pytest

from genesis.consortium import SPEC_NAME, Consortium
from pallets.core.system import System
from pallets.core.system_types import CODE_MAGIC, RuntimeCode
from pallets.core.upgrades import ScheduledUpgrade, Upgrades
from runtime.frame.dispatch import NOBODY, ROOT, BadOrigin, DispatchClass, Origin, Signed
from runtime.frame.event import FINALIZATION
from runtime.frame.state import MemoryBackend, State
from runtime.primitives.block import RuntimeEnvironmentUpdated
from runtime.primitives.hashing import blake2_128_concat, twox64_concat, twox128
from runtime.primitives.scale import codec, u32
from tests.support.chain import ALICE, BOB, CHARLIE, Chain
from tests.support.notes import (
    Note,
    NotesChain,
    NotesV2,
    compose_notes,
    load_old_state,
    old_chain,
    write_notes_genesis,
)

LOCAL = Chain[Consortium]


def upgrades(chain: LOCAL) -> Upgrades:
    found = chain.runtime.pallet("Upgrades")
    assert isinstance(found, Upgrades)
    return found


def code(chain: Chain[NotesChain] | LOCAL) -> RuntimeCode:
    found: RuntimeCode = codec(RuntimeCode).decode(chain.backend.entries[b":code"])
    return found


def succeed(chain: Chain[NotesChain], spec_version: int) -> Chain[NotesChain]:
    """Close the open block and go on with another version over the same state, as a node does."""
    chain.close_block()
    return Chain(
        lambda state: compose_notes(state, spec_version), lambda _: None, chain.backend, chain.number
    )


# --- scheduling


def test_root_schedules_a_later_version(chain: LOCAL) -> None:
    chain.ok(ROOT, "Upgrades.schedule_upgrade", 2, 5)
    assert upgrades(chain).scheduled.get() == ScheduledUpgrade(2, 5)
    assert chain.events() == [Upgrades.UpgradeScheduled(2, 5)]


@pytest.mark.parametrize("origin", [Signed(ALICE), NOBODY])
def test_only_root_schedules_and_cancels(chain: LOCAL, origin: Origin) -> None:
    chain.noop(BadOrigin, origin, "Upgrades.schedule_upgrade", 2, 5)
    chain.noop(BadOrigin, origin, "Upgrades.cancel_upgrade")


@pytest.mark.parametrize("version", [0, 1])
def test_version_must_increase(chain: LOCAL, version: int) -> None:
    error = upgrades(chain).SpecVersionNeedsToIncrease
    chain.noop(error, ROOT, "Upgrades.schedule_upgrade", version, 5)


def test_upgrade_needs_notice(chain: LOCAL) -> None:
    chain.next_block(3)
    notice = upgrades(chain).config.notice_min
    soon = chain.number + notice - 1
    chain.noop(upgrades(chain).TooSoon, ROOT, "Upgrades.schedule_upgrade", 2, soon)
    chain.ok(ROOT, "Upgrades.schedule_upgrade", 2, soon + 1)


def test_one_upgrade_is_scheduled_at_a_time(chain: LOCAL) -> None:
    chain.noop(upgrades(chain).NothingScheduled, ROOT, "Upgrades.cancel_upgrade")
    chain.ok(ROOT, "Upgrades.schedule_upgrade", 2, 5)
    chain.noop(upgrades(chain).AlreadyScheduled, ROOT, "Upgrades.schedule_upgrade", 3, 6)
    chain.ok(ROOT, "Upgrades.cancel_upgrade")
    assert chain.events() == [Upgrades.UpgradeCancelled(2, 5)]
    chain.ok(ROOT, "Upgrades.schedule_upgrade", 3, 6)


def test_cancelled_upgrade_does_not_happen(chain: LOCAL) -> None:
    chain.ok(ROOT, "Upgrades.schedule_upgrade", 2, 3)
    chain.ok(ROOT, "Upgrades.cancel_upgrade")
    chain.next_block(4)
    assert code(chain).spec_version == 1


def test_calls_are_operational_and_the_notice_is_a_constant(chain: LOCAL) -> None:
    for call in (
        chain.call("Upgrades.schedule_upgrade", 2, 5),
        chain.call("Upgrades.cancel_upgrade"),
        chain.call("Utility.batch", (chain.call("Upgrades.cancel_upgrade"),)),
    ):
        assert call.info().class_ is DispatchClass.Operational
    mixed = (chain.call("Upgrades.cancel_upgrade"), chain.call("System.remark", b""))
    assert chain.call("Utility.batch", mixed).info().class_ is DispatchClass.Normal
    found = {c.name: c.value for c in upgrades(chain).constants()}
    assert found == {"NoticeMin": upgrades(chain).config.notice_min}


def test_code_changes_at_the_end_of_the_scheduled_block_and_not_before(chain: LOCAL) -> None:
    chain.ok(ROOT, "Upgrades.schedule_upgrade", 2, 3)
    for _ in range(2):
        digest = chain.next_block()
        assert RuntimeEnvironmentUpdated() not in digest
        assert code(chain) == RuntimeCode(CODE_MAGIC, SPEC_NAME, 1)
    digest = chain.close_block()
    assert digest[-1] == RuntimeEnvironmentUpdated()
    assert code(chain) == RuntimeCode(CODE_MAGIC, SPEC_NAME, 2)
    assert not upgrades(chain).scheduled.exists()
    record = chain.pallets.system.events.get()[-1]
    assert record.event == System.CodeUpdated()
    assert record.phase == FINALIZATION
    chain.open_block()


def test_last_block_of_a_version_accounts_for_the_change(chain: LOCAL) -> None:
    chain.ok(ROOT, "Upgrades.schedule_upgrade", 2, 3)
    pallet = upgrades(chain)
    assert pallet.on_initialize(3).ref_time > pallet.on_initialize(2).ref_time


# --- the next version


def upgraded() -> Chain[NotesChain]:
    """Return the chain in its first block of version 2, from the committed state of version 1."""
    backend = MemoryBackend(load_old_state())
    chain = Chain(lambda state: compose_notes(state, 1), lambda _: None, backend, 1)
    chain.ok(ROOT, "Upgrades.schedule_upgrade", 2, 4)
    chain.next_block(2)
    return succeed(chain, 2)


def test_committed_notes_are_what_version_1_writes() -> None:
    prefix = twox128(b"Notes")
    made, kept = (
        {key: value for key, value in entries.items() if key.startswith(prefix)}
        for entries in (old_chain().backend.entries, load_old_state())
    )
    assert made == kept
    assert len(made) == 10


def test_migrations_convert_the_bytes_of_version_1() -> None:
    chain = upgraded()
    assert chain.number == 5
    chain.close_block()
    entries = chain.backend.entries
    notes = twox128(b"Notes") + twox128(b"Notes")
    assert entries[notes + blake2_128_concat(ALICE)] == b"\x14first" + (5).to_bytes(8, "little") + b"\x03"
    assert notes + blake2_128_concat(BOB) not in entries
    assert entries[twox128(b"Notes") + twox128(b"CounterForNotes")] == (2).to_bytes(4, "little")
    assert entries[twox128(b"Notes") + twox128(b"Total")] == (300).to_bytes(8, "little")
    likes = twox128(b"Notes") + twox128(b"Likes")
    assert entries[likes + blake2_128_concat(CHARLIE) + twox64_concat(ALICE)] == bytes([10, 0, 0, 0])
    assert entries[likes + blake2_128_concat(BOB) + twox64_concat(BOB)] == bytes([1, 0, 0, 0])
    old = load_old_state()
    unchanged = twox128(b"Notes") + twox128(b"Unchanged")
    kept = {key: value for key, value in entries.items() if key.startswith(unchanged)}
    assert kept == {key: value for key, value in old.items() if key.startswith(unchanged)} != {}


def test_new_version_reads_what_it_migrated_in_the_same_block() -> None:
    chain = upgraded()
    notes = chain.pallets.notes
    assert isinstance(notes, NotesV2)
    assert notes.notes.get(CHARLIE) == Note(b"third", 5, 3)
    assert notes.notes.get(BOB) is None
    assert (notes.notes.count(), notes.total.get()) == (2, 300)
    assert [key for key, _ in notes.notes.items()] == sorted((ALICE, CHARLIE), key=blake2_128_concat)
    chain.ok(BOB, "Notes.write", b"new", 5)
    assert (notes.notes.get(BOB), notes.notes.count()) == (Note(b"new", 3, 5), 3)


def test_migrations_run_once_and_their_weight_counts() -> None:
    chain = upgraded()
    system = chain.pallets.system
    assert system.is_upgraded() is None
    first = system.remaining_weight()
    chain.next_block()
    assert system.remaining_weight().ref_time == first.ref_time + 1_000
    assert system.last_runtime_upgrade.get() is not None
    notes = chain.pallets.notes
    assert isinstance(notes, NotesV2)
    assert notes.total.get() == 300


def test_changes_of_a_migration_name_the_old_bytes() -> None:
    chain = upgraded()
    old = load_old_state()
    total = twox128(b"Notes") + twox128(b"Total")
    (change,) = [c for c in chain.pending() if c.key == total]
    assert (change.old, change.new) == (old[total], (300).to_bytes(8, "little"))


def test_abandoned_first_block_of_a_version_can_be_run_again() -> None:
    chain = upgraded()
    expected = chain.pending()
    chain.state.abandon()
    assert chain.pending() == []
    chain.number -= 1
    chain.open_block()
    assert chain.pending() == expected


def test_both_versions_refuse_what_is_the_others() -> None:
    old = Chain(lambda state: compose_notes(state, 1), lambda _: None, MemoryBackend(load_old_state()), 1)
    new = upgraded()
    call = old.call("Notes.write", b"text")
    with pytest.raises(ValueError, match="input ends early"):
        new.runtime.calls.codec.decode(call.encoded())
    assert old.api.version.spec_version != new.api.version.spec_version


def test_signatures_for_the_old_version_are_worthless_in_the_new() -> None:
    old = Chain(lambda state: compose_notes(state, 1), write_notes_genesis)
    new = Chain(lambda state: compose_notes(state, 3), write_notes_genesis)
    raw = old.call("System.remark", b"").encoded()
    assert new.runtime.calls.codec.decode(raw).encoded() == raw
    from_old, from_new = (c.api.runtime.extensions[1].implied for c in (old, new))
    assert isinstance(from_old, bytes)
    assert isinstance(from_new, bytes)
    assert from_old != from_new


def test_chain_that_skips_a_version_migrates_from_the_last_that_ran() -> None:
    backend = MemoryBackend(load_old_state())
    chain = Chain(lambda state: compose_notes(state, 3), lambda _: None, backend, 1)
    notes = chain.pallets.notes
    assert isinstance(notes, NotesV2)
    assert notes.total.get() == 300
    chain.close_block()


def test_migration_of_an_item_that_was_read_is_refused() -> None:
    found = compose_notes(State(MemoryBackend(load_old_state())), 2).notes
    assert isinstance(found, NotesV2)
    assert found.unchanged.get(ALICE) == 7
    with pytest.raises(AssertionError, match="read before its migration"):
        found.unchanged.translate(u32, lambda _key, old: old)
