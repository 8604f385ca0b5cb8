"""No damage to any database file is ever served: reads give the stored values or a typed error."""

import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random  # noqa: TID251 - seeded

import pytest

from node.storage.kv import CorruptionError, LostWritesError, StorageError
from tests.node.storage.support import open_leveldb

KEYS_OLD = 600
KEYS_NEW = 120
FLIPS = 40
CUTS = 15
FILES = ("marker.json", "head", "CURRENT", "MANIFEST-*", "*.log", "*.ldb")
Damage = Callable[[Path, Random], None]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed database with two tables, and a log of single-key writes."""
    path = tmp_path_factory.mktemp("base")
    values = Random(1)
    with open_leveldb(path) as store:
        for number in range(KEYS_OLD):
            store.write([(b"k%05d" % number, values.randbytes(60))], sync=False)
        store.compact()
        store.write(
            [(b"k%05d" % number, values.randbytes(60)) for number in range(0, KEYS_OLD, 7)], sync=True
        )
        store.compact()
        for number in range(KEYS_NEW):
            store.write([(b"k%05d" % (number * 3), values.randbytes(60))], sync=True)
    return path


@pytest.fixture(scope="module")
def contents(base: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[bytes, bytes]:
    copy = tmp_path_factory.mktemp("contents") / "db"
    shutil.copytree(base, copy)
    with open_leveldb(copy) as store:
        return dict(store.iterate())


def find(path: Path, pattern: str) -> list[Path]:
    return sorted(file for file in path.rglob(pattern) if file.stat().st_size)


def flip(file: Path, chance: Random) -> None:
    data = bytearray(file.read_bytes())
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    file.write_bytes(data)


def truncate(file: Path, chance: Random) -> None:
    file.write_bytes(file.read_bytes()[: chance.randrange(file.stat().st_size)])


def zero_tail(file: Path, chance: Random) -> None:
    size = file.stat().st_size
    keep = chance.randrange(size)
    file.write_bytes(file.read_bytes()[:keep].ljust(size, b"\0"))


def append_zeros(file: Path, chance: Random) -> None:
    file.write_bytes(file.read_bytes() + bytes(chance.randrange(1, 5000)))


def append_garbage(file: Path, chance: Random) -> None:
    file.write_bytes(file.read_bytes() + chance.randbytes(chance.randrange(1, 5000)))


def garble(file: Path, chance: Random) -> None:
    data = file.read_bytes()
    start = chance.randrange(len(data))
    noise = chance.randbytes(chance.randrange(1, 200))
    file.write_bytes(data[:start] + noise + data[start + len(noise) :])


def remove(file: Path, chance: Random) -> None:
    file.unlink()


def read_all(path: Path, contents: dict[bytes, bytes]) -> bool:
    """Read everything in every way; tell whether nothing was refused, and fail on any wrong answer."""
    is_whole = True
    try:
        store = open_leveldb(path)
    except StorageError:
        return False
    with store:
        for is_reverse in (False, True):
            expected = sorted(contents.items(), reverse=is_reverse)
            seen = 0
            try:
                for entry in store.iterate(reverse=is_reverse):
                    assert entry == expected[seen]
                    seen += 1
                assert seen == len(expected)
                assert list(store.keys()) == sorted(contents)
            except StorageError:
                is_whole = False
        for key, value in contents.items():
            try:
                assert store.get(key) == value
            except StorageError:
                is_whole = False
        try:
            store.compact()
            store.write([(b"new", b"")], sync=True)
            assert dict(store.iterate()) == {**contents, b"new": b""}
        except StorageError:
            is_whole = False
    return is_whole


@pytest.mark.slow
@pytest.mark.parametrize(
    ("damage", "rounds"),
    [(flip, FLIPS), (truncate, CUTS), (zero_tail, CUTS), (garble, CUTS), (remove, 1)],
    ids=lambda value: getattr(value, "__name__", ""),
)
@pytest.mark.parametrize("pattern", FILES)
def test_damaged_file_is_never_served(
    pattern: str, damage: Damage, rounds: int, base: Path, contents: dict[bytes, bytes], tmp_path: Path
) -> None:
    chance = Random(f"{pattern} {damage.__name__}")
    refused = 0
    for number in range(rounds):
        copy = tmp_path / str(number)
        shutil.copytree(base, copy)
        damage(chance.choice(find(copy, pattern)), chance)
        refused += not read_all(copy, contents)
        shutil.rmtree(copy)
    assert refused > 0 or pattern == "head"  # its other slot is good


@pytest.mark.slow
@pytest.mark.parametrize("damage", [append_zeros, append_garbage])
@pytest.mark.parametrize("pattern", FILES)
def test_file_with_a_tail_is_refused_or_read_right(
    pattern: str, damage: Damage, base: Path, contents: dict[bytes, bytes], tmp_path: Path
) -> None:
    chance = Random(f"{pattern} {damage.__name__}")
    for number in range(CUTS):
        copy = tmp_path / str(number)
        shutil.copytree(base, copy)
        damage(chance.choice(find(copy, pattern)), chance)
        read_all(copy, contents)
        shutil.rmtree(copy)


def test_base_database_has_every_kind_of_file(base: Path, contents: dict[bytes, bytes]) -> None:
    assert all(find(base, pattern) for pattern in FILES)
    assert len(contents) == KEYS_OLD


def test_cut_log_is_recognised_as_lost_writes(base: Path, tmp_path: Path) -> None:
    shutil.copytree(base, tmp_path / "db")
    (log,) = find(tmp_path / "db", "*.log")
    log.write_bytes(log.read_bytes()[: log.stat().st_size // 2])
    with pytest.raises(LostWritesError) as caught:
        open_leveldb(tmp_path / "db")
    assert caught.value.expected == KEYS_OLD + 1 + KEYS_NEW
    assert caught.value.actual < caught.value.expected


def test_table_that_an_interrupted_compaction_left_is_ignored(
    base: Path, contents: dict[bytes, bytes], tmp_path: Path
) -> None:
    shutil.copytree(base, tmp_path / "db")
    table = find(tmp_path / "db", "*.ldb")[0]
    (table.parent / "000999.ldb").write_bytes(table.read_bytes()[:-20])
    (table.parent / "000998.ldb").write_bytes(b"")
    assert read_all(tmp_path / "db", contents)


@pytest.mark.parametrize(
    "byte", [pytest.param(byte, marks=[pytest.mark.slow] if byte % 4 else []) for byte in range(48)]
)
def test_damaged_table_footer_never_ends_the_process(
    byte: int, base: Path, contents: dict[bytes, bytes], tmp_path: Path
) -> None:
    for bit in range(8):
        copy = tmp_path / str(bit)
        shutil.copytree(base, copy)
        table = find(copy, "*.ldb")[0]
        data = bytearray(table.read_bytes())
        data[byte - 48] ^= 1 << bit
        table.write_bytes(data)
        read_all(copy, contents)


def test_older_copy_of_the_database_files_is_recognised(base: Path, tmp_path: Path) -> None:
    shutil.copytree(base, tmp_path / "db")
    with open_leveldb(tmp_path / "db") as store:
        store.write([(b"later", b"")], sync=True)
    shutil.rmtree(tmp_path / "db" / "leveldb")
    shutil.copytree(base / "leveldb", tmp_path / "db" / "leveldb")
    with pytest.raises(CorruptionError):
        open_leveldb(tmp_path / "db")


def test_one_torn_slot_of_the_head_record_is_survived(
    base: Path, contents: dict[bytes, bytes], tmp_path: Path
) -> None:
    for slot in range(2):
        copy = tmp_path / str(slot)
        shutil.copytree(base, copy)
        data = bytearray((copy / "head").read_bytes())
        data[slot * 512 : slot * 512 + 512] = bytes(512)
        (copy / "head").write_bytes(data)
        assert read_all(copy, contents)
