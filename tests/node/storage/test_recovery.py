"""A damaged database is taken back to its newest whole state, verified on a copy, or left as it is."""

import os
import shutil
from pathlib import Path

import pytest

from node.storage.blocks import BlockStore
from node.storage.kv import CorruptionError, KeyValue, MissingError, StorageError
from node.storage.leveldb import LevelDbKeyValue
from node.storage.marker import load_marker, store_marker
from node.storage.recovery import open_or_recover, recover
from node.storage.verify import walk
from tests.node.storage.support import GENESIS, create_store, grow, open_leveldb

BLOCKS = 40


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed database of which the later half of the blocks is in the log."""
    path = tmp_path_factory.mktemp("base") / "db"
    kv = open_leveldb(path)
    store = create_store(kv)
    for number in range(1, BLOCKS + 1):
        grow(store, make_changes(number))
        if number == BLOCKS // 2:
            kv.compact()
    store.close()
    return path


@pytest.fixture
def path(base: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(base, tmp_path / "db"))


def make_changes(number: int) -> dict[bytes, bytes | None]:
    return {b"height": b"%d" % number, b"n%d" % number: bytes(200), b"n%d" % (number - 7): None}


def ensure_whole(kv: KeyValue) -> None:
    """Check everything that is readable against what the chain must be at its height."""
    store = BlockStore(kv)
    number = store.finalized().number
    assert all(walked.fault is None for walked in walk(store, 0, number, lambda *_: True))
    state = {key for key, _ in store.state_iter() if key[:1] == b"n"}
    assert state == {b"n%d" % n for n in range(max(1, number - 6), number + 1)}
    assert store.state_get(b"height") == b"%d" % number


def find_log(path: Path) -> Path:
    (log,) = path.glob("leveldb/*.log")
    return log


def flip_at(file: Path, position: int) -> None:
    data = bytearray(file.read_bytes())
    data[position] ^= 16
    file.write_bytes(data)


def recovered_height(path: Path) -> int:
    with LevelDbKeyValue(path, GENESIS, create=False) as kv:
        ensure_whole(kv)
        return BlockStore(kv).finalized().number


@pytest.mark.slow
@pytest.mark.parametrize("permille", [1, 130, 480, 720, 930, 999])
def test_flipped_bit_in_the_log_costs_only_what_follows(path: Path, permille: int) -> None:
    log = find_log(path)
    flip_at(log, log.stat().st_size * permille // 1000)
    with pytest.raises(CorruptionError):
        open_leveldb(path)
    before = {file.name: file.read_bytes() for file in (path / "leveldb").iterdir() if file.name != "LOG.old"}
    recovery = recover(path, ensure_whole)
    assert recovery.lost_writes is not None
    assert recovery.lost_writes > 0
    height = recovered_height(path)
    expected = BLOCKS // 2 + BLOCKS // 2 * permille // 1000
    assert expected - 2 <= height <= expected + 1
    kept = {file.name: file.read_bytes() for file in recovery.damaged.iterdir()}
    assert all(kept[name] == data for name, data in before.items() if name not in ("LOG", "LOCK"))
    assert not (path / "recovery").exists()


@pytest.mark.parametrize("keep", [0, 100, 4000])
def test_truncated_log_is_recovered_as_it_is(path: Path, keep: int) -> None:
    log = find_log(path)
    log.write_bytes(log.read_bytes()[:keep])
    recovery = recover(path, ensure_whole)
    assert recovery.lost_writes is not None
    assert recovery.lost_writes > 0
    assert BLOCKS // 2 <= recovered_height(path) < BLOCKS


def test_recovered_database_goes_on(path: Path) -> None:
    flip_at(find_log(path), find_log(path).stat().st_size // 2)
    kv, recovery = open_or_recover(path, GENESIS, ensure_whole)
    assert recovery is not None
    store = BlockStore(kv)
    height = store.finalized().number
    grow(store, make_changes(height + 1), b"again")
    store.close()
    kv, recovery = open_or_recover(path, GENESIS, ensure_whole)
    assert recovery is None
    ensure_whole(kv)
    kv.close()
    assert recovered_height(path) == height + 1


def test_whole_or_new_database_is_simply_opened(path: Path, tmp_path: Path) -> None:
    for place in (path, tmp_path / "new"):
        kv, recovery = open_or_recover(place, GENESIS, ensure_whole)
        assert recovery is None
        kv.close()


def test_lost_head_record_is_made_anew(path: Path) -> None:
    (path / "head").unlink()
    recovery = recover(path, ensure_whole)
    assert recovery.lost_writes is None
    assert recovered_height(path) == BLOCKS


def test_refused_copy_changes_nothing(path: Path) -> None:
    def refuse(kv: KeyValue) -> None:
        raise CorruptionError("the state has another root")

    log = find_log(path)
    flip_at(log, log.stat().st_size // 2)
    damaged = log.read_bytes()
    with pytest.raises(CorruptionError, match="another root"):
        recover(path, refuse)
    assert log.read_bytes() == damaged
    assert not (path / "recovery").exists()
    assert not (path / "damaged").exists()


@pytest.mark.parametrize("pattern", ["MANIFEST-*", "CURRENT", "*.ldb"])
def test_damage_outside_the_logs_is_not_guessed_away(path: Path, pattern: str) -> None:
    file = sorted((path / "leveldb").glob(pattern))[0]
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(StorageError):
        recover(path, ensure_whole)


def test_table_of_contents_is_rebuilt_only_when_asked(path: Path) -> None:
    (path / "leveldb" / "CURRENT").unlink()
    with pytest.raises(CorruptionError):
        recover(path, ensure_whole)
    recover(path, ensure_whole, rebuild=True)
    assert recovered_height(path) == BLOCKS


def test_interrupted_swap_is_taken_up_again(path: Path) -> None:
    (path / "leveldb").rename(path / "damaged")
    kv, recovery = open_or_recover(path, GENESIS, ensure_whole)
    assert recovery is not None
    assert recovery.lost_writes == 0
    kv.close()
    assert recovered_height(path) == BLOCKS


def test_recovery_takes_the_lock(path: Path) -> None:
    with open_leveldb(path), pytest.raises(StorageError, match=f"in use by pid {os.getpid()}"):
        recover(path, ensure_whole)


def test_nothing_is_recovered_where_nothing_is(tmp_path: Path) -> None:
    with pytest.raises(MissingError):
        recover(tmp_path, ensure_whole)


def test_unfinished_database_is_not_recovered(path: Path) -> None:
    marker = load_marker(path / "marker.json")
    store_marker(path / "marker.json", marker._replace(is_ready=False))
    with pytest.raises(CorruptionError, match="never finished"):
        recover(path, ensure_whole)
