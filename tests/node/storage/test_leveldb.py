"""Opening a database directory: one user, creation only where nothing was, the right chain and schema."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from node.storage.kv import CorruptionError, LockedError, MissingError, SchemaError, WrongGenesisError
from node.storage.leveldb import LevelDbKeyValue
from node.storage.marker import Marker, load_marker, store_marker
from tests.node.storage.support import GENESIS, open_leveldb

HOLDER = """
import sys, pathlib
from node.storage.leveldb import LevelDbKeyValue
kv = LevelDbKeyValue(pathlib.Path(sys.argv[1]), None, create=False)
print("open", flush=True)
sys.stdin.read()
"""


def test_second_user_is_told_the_pid_of_the_first(tmp_path: Path) -> None:
    open_leveldb(tmp_path).close()
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        with pytest.raises(LockedError, match=f"in use by pid {holder.pid}"):
            open_leveldb(tmp_path)
        holder.send_signal(signal.SIGKILL)
    open_leveldb(tmp_path).close()


def test_second_open_in_one_process_is_refused_and_keeps_the_lock(tmp_path: Path) -> None:
    store = open_leveldb(tmp_path)
    for _ in range(2):
        with pytest.raises(LockedError, match=f"in use by pid {os.getpid()}"):
            open_leveldb(tmp_path)
    store.write([(b"a", b"1")], sync=True)
    store.close()
    open_leveldb(tmp_path).close()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_forked_child_does_not_hold_the_lock(tmp_path: Path) -> None:
    store = open_leveldb(tmp_path)
    child_reads, parent_writes = os.pipe()
    parent_reads, child_writes = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(parent_writes)
        os.write(child_writes, b"running")
        os.read(child_reads, 1)
        os._exit(0)
    os.read(parent_reads, 7)
    store.close()
    open_leveldb(tmp_path).close()
    os.close(parent_writes)
    os.waitpid(child, 0)
    for end in (child_reads, parent_reads, child_writes):
        os.close(end)


def test_missing_database_is_not_made_when_not_asked(tmp_path: Path) -> None:
    with pytest.raises(MissingError):
        LevelDbKeyValue(tmp_path / "none", None, create=False)
    assert not (tmp_path / "none").exists()
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingError):
        LevelDbKeyValue(tmp_path / "empty", GENESIS, create=False)


def test_other_genesis_and_schema_are_refused(tmp_path: Path) -> None:
    open_leveldb(tmp_path).close()
    with pytest.raises(WrongGenesisError, match="purge the chain"):
        LevelDbKeyValue(tmp_path, bytes(32), create=True)
    store_marker(tmp_path / "marker.json", Marker(99, GENESIS, is_ready=True))
    with pytest.raises(SchemaError, match="schema 99"):
        open_leveldb(tmp_path)


def test_any_genesis_is_accepted_when_none_is_named(tmp_path: Path) -> None:
    open_leveldb(tmp_path).close()
    with LevelDbKeyValue(tmp_path, None, create=False) as store:
        assert store.genesis == GENESIS


def test_lost_marker_beside_a_database_never_leads_to_a_new_one(tmp_path: Path) -> None:
    open_leveldb(tmp_path).close()
    (tmp_path / "marker.json").unlink()
    before = sorted(path.name for path in (tmp_path / "leveldb").iterdir())
    with pytest.raises(CorruptionError, match="missing beside a database"):
        open_leveldb(tmp_path)
    assert sorted(path.name for path in (tmp_path / "leveldb").iterdir()) == before


def test_interrupted_creation_is_begun_again(tmp_path: Path) -> None:
    with open_leveldb(tmp_path) as store:
        store.write([(b"a", b"of the first attempt")], sync=True)
    store_marker(tmp_path / "marker.json", load_marker(tmp_path / "marker.json")._replace(is_ready=False))
    with pytest.raises(MissingError, match="never finished"):
        LevelDbKeyValue(tmp_path, GENESIS, create=False)
    with open_leveldb(tmp_path) as store:
        assert store.get(b"a") is None


def test_every_write_is_counted(tmp_path: Path) -> None:
    with open_leveldb(tmp_path) as store:
        store.write([], sync=False)
        store.write([(b"a", b"1")], sync=True)
        assert store.sequence == 2
    with open_leveldb(tmp_path) as store:
        assert store.sequence == 2
        assert list(store.iterate()) == [(b"a", b"1")]
        assert store.approximate_size(b"a", b"b") >= 0
