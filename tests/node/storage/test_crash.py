"""What was confirmed survives the death of the process, a full disk and a failed sync."""

import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from random import Random  # noqa: TID251 - seeded

import pytest

from node.storage.blocks import BlockStore
from node.storage.kv import DiskFullError
from node.storage.verify import walk
from tests.node.storage.crash_child import compute_states, open_store
from tests.node.storage.support import STATE_GENESIS, open_leveldb
from tests.support.refused_syncs import MODULE, refuse_syncs
from tests.support.small_disk import fill, small_disk

CHILD = "tests.node.storage.crash_child"
COMMAND = [sys.executable, "-m", CHILD]
SYNCS_REFUSED = [sys.executable, "-m", MODULE, CHILD]
ROUNDS_FAST = 4
ROUNDS_SLOW = 30
FILE_BYTES_MAX = 3 << 20
DISK_BYTES = 4 << 20
LIMITED = f"""
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_FSIZE, ({FILE_BYTES_MAX}, {FILE_BYTES_MAX}))
runpy.run_module("tests.node.storage.crash_child", run_name="__main__", alter_sys=True)
"""


def run_until_killed(path: Path, lines: int, delay_seconds: float) -> list[tuple[int, str]]:
    """Run the child, kill it some time after the lines; return the confirmed blocks."""
    with subprocess.Popen([*COMMAND, path], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for _ in range(lines):
            assert child.stdout.readline()
        time.sleep(delay_seconds)
        child.kill()
        whole_lines = child.stdout.read().split("\n")[:-1]
    return [(int(number), block_hash) for number, block_hash in map(str.split, whole_lines)]


def ensure_whole(store: BlockStore) -> None:
    """Check chain, state and old states against the deterministic history."""
    newest = store.finalized().number
    assert all(walked.fault is None for walked in walk(store, 0, newest, lambda *_: True))
    for number, state in enumerate(islice(compute_states(dict(STATE_GENESIS)), newest + 1)):
        if number >= store.oldest_state():
            with store.state_at(number) as view:
                assert dict(view.iterate()) == state
    assert store.oldest_state() <= max(0, newest - 8)


def kill_in_rounds(path: Path, rounds: int) -> None:
    chance = Random(rounds)
    for _ in range(rounds):
        confirmed = run_until_killed(path, chance.randrange(1, 8), chance.random() * 0.03)
        started = time.process_time()  # a busy machine is no fault of the code
        store = open_store(path)
        assert time.process_time() - started < 5
        assert all(store.hash_by_number(n) == bytes.fromhex(block_hash) for n, block_hash in confirmed)
        ensure_whole(store)
        store.close()


def test_confirmed_blocks_survive_kill(tmp_path: Path) -> None:
    kill_in_rounds(tmp_path / "db", ROUNDS_FAST)


@pytest.mark.slow
def test_confirmed_blocks_survive_many_kills(tmp_path: Path) -> None:
    kill_in_rounds(tmp_path / "db", ROUNDS_SLOW)


def test_kill_during_creation_leaves_a_creatable_database(tmp_path: Path) -> None:
    chance = Random(3)
    for number in range(4):
        path = tmp_path / str(number)
        with subprocess.Popen([*COMMAND, path], stdout=subprocess.PIPE) as child:
            while not path.exists():
                time.sleep(0.001)
            time.sleep(chance.random() * 0.01)
            child.kill()
        store = open_store(path)
        ensure_whole(store)
        store.close()


def ensure_ended_with(output: str, error: str, path: Path) -> None:
    *confirmed, last = output.splitlines()
    assert last == error
    store = BlockStore(open_leveldb(path))
    if confirmed:
        assert store.finalized().number >= int(confirmed[-1].split()[0])
    ensure_whole(store)
    store.close()


def test_file_size_limit_ends_as_full_disk(tmp_path: Path) -> None:
    path = tmp_path / "db"
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, path], stdout=subprocess.PIPE, text=True, check=True, timeout=60
    )
    ensure_ended_with(done.stdout, "DiskFullError", path)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "small", DISK_BYTES) as place:
        yield place


def test_full_disk_stops_the_node_and_loses_nothing(disk: Path) -> None:
    filler = disk / "filler"
    filler.write_bytes(bytes(DISK_BYTES // 2))  # what was logged becomes a table as large at the next opening
    path = disk / "db"
    done = subprocess.run([*COMMAND, path], stdout=subprocess.PIPE, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "DiskFullError"
    filler.unlink()
    ensure_ended_with(done.stdout, "DiskFullError", path)


def test_disk_full_from_the_start_is_told(disk: Path) -> None:
    filler = fill(disk)
    with pytest.raises(DiskFullError):
        open_leveldb(disk / "db")
    filler.unlink()
    open_leveldb(disk / "db").close()


@pytest.mark.slow
@pytest.mark.parametrize("file", [r"/leveldb/\d+\.log", r"/head"], ids=["log", "head"])
@pytest.mark.parametrize("lines", [1, 4, 17])
def test_failed_sync_stops_the_node_at_once(lines: int, file: str, tmp_path: Path) -> None:
    path = tmp_path / "db"
    with subprocess.Popen([*SYNCS_REFUSED, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        confirmed = b"".join(child.stdout.readline() for _ in range(lines))
        refuse_syncs(child, "fdatasync", file)
        confirmed += child.stdout.read()
    ensure_ended_with(confirmed.decode(), "WriteFailedError", path)
