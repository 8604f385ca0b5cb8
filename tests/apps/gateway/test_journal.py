"""What was signed is on disk before it is sent, survives the process, and belongs to one account."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from apps.chain.client import Signed
from apps.gateway import journal as module
from apps.gateway.errors import JournalFault, SessionFault
from apps.gateway.journal import FILE, Journal
from apps.gateway.rounds import Answer
from runtime.primitives.types import Hash
from tests.processes.running import ROOT
from tests.support.chain import ALICE, BOB

GENESIS = Hash(bytes(32))
ANSWERS = (
    Answer(0, "price/energy", 47_500, 1_700_000_000_000),
    Answer(6, "notice/regulator", (1 << 120) - 1, 5),
)


def signed(number: int = 1) -> Signed:
    return Signed(b"\x01" * 100, Hash(bytes([number]) * 32), 7, 100, 116)


def test_a_noted_call_is_pending_until_it_is_settled(tmp_path: Path) -> None:
    with Journal(tmp_path / "state") as journal:
        journal.note(signed(), ANSWERS, 5)
    with Journal(tmp_path / "state") as journal:
        ((found, answers, noted_ms),) = journal.list_pending()
        assert (found, answers, noted_ms) == (signed(), ANSWERS, 5)
        journal.settle(signed().hash, "accepted", 101)
        assert journal.list_pending() == ()
    with Journal(tmp_path / "state") as journal:
        ((noted, outcome, block),) = journal.list_settled()
        assert (noted.answers, outcome, block) == (ANSWERS, "accepted", 101)


def test_pending_calls_come_in_the_order_of_their_signing(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        for number in (3, 1, 2):
            journal.note(signed(number), ANSWERS, number)
        assert [one.noted_ms for one in journal.list_pending()] == [3, 1, 2]


def test_the_same_call_is_not_noted_twice(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.note(signed(), ANSWERS, 5)
        with pytest.raises(JournalFault):
            journal.note(signed(), ANSWERS, 5)


def test_old_settled_calls_are_forgotten_and_pending_ones_never(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SETTLED_MAX", 3)
    with Journal(tmp_path) as journal:
        journal.note(signed(0), ANSWERS, 0)
        for number in range(1, 9):
            journal.note(signed(number), ANSWERS, number)
            journal.settle(signed(number).hash, "accepted", number)
        assert [one.noted_ms for one in journal.list_pending()] == [0]
        assert [noted.noted_ms for noted, _, _ in journal.list_settled()] == [6, 7, 8]


def test_a_journal_belongs_to_one_account_on_one_chain(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.claim(GENESIS, ALICE)
        journal.claim(GENESIS, ALICE)
        with pytest.raises(JournalFault, match="is of the account"):
            journal.claim(GENESIS, BOB)
        with pytest.raises(SessionFault, match="the node is of the chain"):
            journal.claim(Hash(b"\1" * 32), ALICE)


def test_a_folder_has_one_gateway_at_a_time(tmp_path: Path) -> None:
    with Journal(tmp_path), pytest.raises(JournalFault, match="another gateway"):
        Journal(tmp_path)
    with Journal(tmp_path):
        pass


def test_a_journal_is_its_owners_alone(tmp_path: Path) -> None:
    with Journal(tmp_path / "a" / "b"):
        assert (tmp_path / "a" / "b" / FILE).stat().st_mode & 0o077 == 0


def test_a_file_that_is_none_and_a_version_that_is_not_ours_are_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no journal" * 1_000)
    with pytest.raises(JournalFault, match="cannot be opened"):
        Journal(tmp_path)
    (tmp_path / FILE).unlink()
    with Journal(tmp_path) as journal:
        journal.claim(GENESIS, ALICE)
    base = sqlite3.connect(tmp_path / FILE)
    base.execute("UPDATE owner SET schema = 9")
    base.commit()
    base.close()
    with Journal(tmp_path) as journal, pytest.raises(JournalFault, match="version 9"):
        journal.claim(GENESIS, ALICE)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(JournalFault, match="cannot be used"):
        Journal(tmp_path / "file" / "state")


WRITER = """
import sys
from pathlib import Path
from apps.chain.client import Signed
from apps.gateway.journal import Journal
from apps.gateway.rounds import Answer
journal = Journal(Path(sys.argv[1]))
for number in range(10_000):
    hash_ = number.to_bytes(32, "little")
    journal.note(Signed(b"x" * 200, hash_, number, 1, 17), (Answer(0, "k", number, 1),), number)
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
    if number % 3:
        journal.settle(hash_, "accepted", number)
"""


def test_a_killed_writer_loses_nothing_that_it_had_noted(tmp_path: Path) -> None:
    for turn in range(3):
        folder = tmp_path / str(turn)
        command = [sys.executable, "-c", WRITER, str(folder)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            last = -1
            for line in writer.stdout:
                last = int(line)
                if last == 20 + turn:
                    os.kill(writer.pid, signal.SIGKILL)
        with Journal(folder) as journal:
            known = {one.signed.nonce for one in journal.list_pending()}
            known |= {noted.signed.nonce for noted, _, _ in journal.list_settled()}
        assert known >= set(range(last + 1))
