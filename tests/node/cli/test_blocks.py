"""Blocks survive export and import, bad files and bad blocks are named, and finalized blocks are not taken
back.
"""

import asyncio
import errno
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.chain.chain import Chain
from node.cli.block_file import (
    BLOCKS_MAX,
    BlockFileError,
    SignedBlock,
    decode_block,
    encode_block,
    encode_count,
    read_blocks,
    read_count,
)
from node.config import Config, ExitCode
from node.driver.signer import GuardedSigner
from node.service import open_chain
from node.storage.filling import Filling, is_filled
from node.storage.guard import CopiedKeys, GuardFile
from node.storage.leveldb import LevelDbKeyValue
from node.storage.lock import DirectoryLock
from runtime.frame.by_hand import make_override_item
from runtime.primitives.block import Digest, Header
from runtime.primitives.certificate import Certificate
from runtime.primitives.hashing import twox128
from runtime.primitives.scale import DecodeError, encode_compact
from runtime.primitives.types import Hash
from tests.node.cli.running import Loam, make_chain
from tests.support.node_chain import AUTHORITY, snapshot
from tests.support.node_chain import make_block as make_chain_block
from tests.support.peers import grow
from tests.support.warping import copy_at, grow_changing

pytestmark = pytest.mark.slow

BLOCKS, FINALIZED = 6, 4


@pytest.fixture
def base(tmp_path: Path) -> Path:
    make_chain(tmp_path / "base", blocks=BLOCKS, finalized=FINALIZED)
    return tmp_path / "base"


def dev(base: Path) -> tuple[str, ...]:
    return ("--chain", "dev", "-d", str(base))


def info(loam: Loam, base: Path) -> dict[str, object]:
    loaded: dict[str, object] = json.loads(loam.ok("chain-info", *dev(base)))
    return loaded


def test_chain_info_tells_what_the_database_holds(loam: Loam, base: Path) -> None:
    shown = info(loam, base)
    assert (shown["best_number"], shown["finalized_number"], shown["id"]) == (BLOCKS, FINALIZED, "dev")
    assert f"best_number: {BLOCKS}" in loam.ok("chain-info", "--output-type", "text", *dev(base))


def test_exported_blocks_give_the_same_chain_on_an_empty_node(loam: Loam, base: Path, tmp_path: Path) -> None:
    file = tmp_path / "blocks"
    assert "Exported: 6 of 6" in loam("export-blocks", file, *dev(base)).err
    assert f"best #{BLOCKS}" in loam("import-blocks", file, *dev(tmp_path / "other")).err
    assert info(loam, tmp_path / "other") == info(loam, base)
    again = loam("import-blocks", file, "--no-progress", *dev(tmp_path / "other"))
    assert again.err.startswith("Imported 0 of 6 blocks")


def test_block_that_sets_storage_by_hand_is_exported_imported_and_checked(loam: Loam, tmp_path: Path) -> None:
    key = twox128(b"Session") + twox128(b"CurrentIndex")
    item = make_override_item({key: (7).to_bytes(4, "little")})
    make_chain(tmp_path / "one", blocks=3, finalized=1, digests={2: item})
    file = tmp_path / "blocks"
    assert "Exported: 3 of 3" in loam("export-blocks", file, *dev(tmp_path / "one")).err
    assert "best #3" in loam("import-blocks", file, *dev(tmp_path / "other")).err
    assert info(loam, tmp_path / "other") == info(loam, tmp_path / "one")
    loam.ok("check-block", "2", *dev(tmp_path / "other"))
    with open_chain(Config(chain="dev", base_path=str(tmp_path / "other"))) as (_, chain):
        assert snapshot(chain)[2][key] == (7).to_bytes(4, "little")


def test_export_may_be_a_part_and_go_to_standard_output(loam: Loam, base: Path, tmp_path: Path) -> None:
    file = tmp_path / "blocks"
    loam.ok("export-blocks", file, "--from", "2", "--to", "3", "--binary", *dev(base))
    with file.open("rb") as opened:
        numbers = [block.header.number for block in read_blocks(opened, read_count(opened))]
    assert numbers == [2, 3]
    assert "parent is not known" in loam.fail(ExitCode.ERROR, "import-blocks", file, *dev(tmp_path / "other"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ["--from", "0"],
        ["--from", "7", "--to", "7"],
        ["--to", "7"],
        ["--from", "5", "--to", "4"],
        ["--from", "9"],
    ],
)
def test_blocks_outside_the_chain_cannot_be_exported(loam: Loam, base: Path, arguments: list[str]) -> None:
    loam.fail(ExitCode.USAGE, "export-blocks", "/dev/null", *arguments, *dev(base))


def test_commands_do_not_make_a_database(loam: Loam, tmp_path: Path) -> None:
    lines = (
        "chain-info|check-block 1|revert 1|export-blocks /dev/null"
        "|db verify|db compact|db inspect|db backup x"
    )
    for command in map(str.split, lines.split("|")):
        assert "no database yet" in loam.fail(ExitCode.CONFIG, *command, *dev(tmp_path / "none"))
    assert not (tmp_path / "none").exists()


def test_database_whose_state_is_still_being_fetched_is_no_chain_yet(loam: Loam, tmp_path: Path) -> None:
    path = tmp_path / "chains" / "dev" / "db"
    with LevelDbKeyValue(path, bytes(32), create=True) as kv:
        Filling(kv).add([(b"half", b"done")])
    for command in (["chain-info"], ["export-blocks", "/dev/null"], ["revert", "1"], ["db", "verify"]):
        assert f"{path} holds no chain yet" in loam.fail(ExitCode.CONFIG, *command, *dev(tmp_path))
    with LevelDbKeyValue(path, None, create=False) as kv:
        assert not is_filled(kv)


def test_blocks_before_the_first_are_not_imported(loam: Loam, tmp_path: Path) -> None:
    with open_chain(Config(chain="local", base_path=str(tmp_path / "old"))) as (_, chain):
        asyncio.run(grow_changing(chain, 6))
        copied = copy_at(chain, 4)
        genesis = chain.genesis_hash
    path = tmp_path / "new" / "chains" / "local_testnet" / "db"
    with LevelDbKeyValue(path, genesis, create=True) as kv:
        kv.write(list(copied.iterate(b"\0", b"\xff")), sync=True)
    old, new = (("--chain", "local", "-d", str(tmp_path / name)) for name in ("old", "new"))
    for first in (1, 3, 4):
        file = str(tmp_path / f"from-{first}")
        loam.ok("export-blocks", file, "--from", str(first), *old)
        if first < 4:
            error = loam.fail(ExitCode.ERROR, "import-blocks", file, *new)
            assert f"block {first} was never here" in error
            assert "the blocks from 4 on" in error
        else:
            loam.ok("import-blocks", file, *new)
    assert '"best_number": 6' in loam.ok("chain-info", *new)


def test_running_node_is_not_disturbed(loam: Loam, base: Path) -> None:
    lock = DirectoryLock(base / "chains" / "dev" / "db" / "lock")
    try:
        for command in (
            ["chain-info"],
            ["db", "verify"],
            ["db", "backup", str(base / "b")],
            ["purge-chain", "-y"],
        ):
            assert "in use by pid" in loam.fail(ExitCode.DATABASE_LOCKED, *command, *dev(base))
    finally:
        lock.release()


@pytest.mark.slow
@pytest.mark.parametrize("place", [9, 45, 200, -1])
def test_damaged_file_is_refused_and_nothing_wrong_is_stored(
    loam: Loam, base: Path, tmp_path: Path, place: int
) -> None:
    file = tmp_path / "blocks"
    loam.ok("export-blocks", file, "--no-progress", *dev(base))
    data = bytearray(file.read_bytes())
    data[place] ^= 1
    file.write_bytes(data)
    assert "block" in loam.fail(ExitCode.ERROR, "import-blocks", file, *dev(tmp_path / "other"))
    loam.ok("db", "verify", *dev(tmp_path / "other"))


def test_unreadable_input_and_unwritable_output_are_errors(loam: Loam, base: Path, tmp_path: Path) -> None:
    loam.fail(ExitCode.ERROR, "import-blocks", tmp_path / "missing", *dev(base))
    loam.fail(ExitCode.USAGE, "import-blocks", tmp_path, *dev(base))
    assert "is no directory" in loam.fail(
        ExitCode.USAGE, "export-blocks", tmp_path / "missing" / "x", *dev(base)
    )


def test_export_does_not_write_to_a_terminal(loam: Loam, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert "terminal" in loam.fail(ExitCode.USAGE, "export-blocks", *dev(base))


def test_export_that_fails_leaves_the_file_of_before(
    loam: Loam, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "blocks"
    file.write_text("before")

    def fail(_: object) -> bytes:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("node.cli.blocks.encode_block", fail)
    loam.fail(ExitCode.DISK_FULL, "export-blocks", file, *dev(base))
    assert file.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["blocks"]


def test_blocks_ahead_of_the_clock_are_for_chains_that_travel_in_time(
    loam: Loam, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = json.loads(loam.ok("build-spec", "--dev"))
    document["chainType"] = "Live"
    document["genesis"]["runtimeGenesis"]["config"].pop("sudo")
    (tmp_path / "live.json").write_text(json.dumps(document))
    monkeypatch.setattr("tests.node.cli.running.START_MS", 4_000_000_000_000)
    for name in ("dev", str(tmp_path / "live.json")):
        made, file = tmp_path / f"made-{len(name)}", tmp_path / f"blocks-{len(name)}"
        make_chain(made, blocks=2, finalized=1, chain=name)
        loam.ok("export-blocks", file, "--chain", name, "-d", made)
        command = ("import-blocks", file, "--chain", name, "-d", tmp_path / f"other-{len(name)}")
        if name == "dev":
            loam.ok(*command)
        else:
            assert "this node's clock allows" in loam.fail(ExitCode.ERROR, *command)


def test_stored_block_is_checked_by_number_and_hash(loam: Loam, base: Path) -> None:
    shown = info(loam, base)
    assert f"Block #{BLOCKS} (0x" in loam.ok("check-block", str(BLOCKS), *dev(base))
    assert "is right" in loam.ok("check-block", "2", *dev(base))
    assert "is right" in loam.ok("check-block", str(shown["best_hash"]), *dev(base))


@pytest.mark.slow
@pytest.mark.parametrize("block", ["0", "7", "99999999999", "-1", "0x12", "ab" * 32, "xyz", ""])
def test_block_that_is_not_there_is_a_usage_error(loam: Loam, base: Path, block: str) -> None:
    loam.fail(ExitCode.USAGE, "check-block", *dev(base), "--", block)


@pytest.mark.slow
def test_revert_takes_back_unfinalized_blocks_only(loam: Loam, base: Path) -> None:
    assert "best block is #5" in loam.ok("revert", "1", "--finalized", *dev(base))
    assert (base / "chains" / "dev" / "guard").exists(), "nothing final went, so every vote counts"
    assert info(loam, base)["best_number"] == 5
    assert "there are 1 blocks to take back" in loam.fail(ExitCode.ERROR, "revert", "2", *dev(base))
    assert "best block is #4" in loam.ok("revert", "1", *dev(base))
    assert info(loam, base)["best_number"] == FINALIZED
    loam.ok("db", "verify", *dev(base))


def test_revert_of_finalized_blocks_is_for_development_chains(loam: Loam, base: Path) -> None:
    assert "best block is #2" in loam.ok("revert", "4", "--finalized", *dev(base))
    shown = info(loam, base)
    assert (shown["best_number"], shown["finalized_number"]) == (2, 2)
    loam.ok("db", "verify", *dev(base))
    assert not (base / "chains" / "dev" / "guard").exists(), "it would keep the authority from voting again"
    for count in ("0", "-1", "x"):
        loam.fail(ExitCode.USAGE, "revert", *dev(base), "--", count)


def make_local_chain(base: Path, blocks: int) -> tuple[str, ...]:
    """Make a chain that four authorities have finalized; return the options that name it."""

    async def finalize(chain: Chain) -> None:
        await grow(chain, blocks)
        await chain.wait_stored(chain.head.hash)

    with open_chain(Config(chain="local", base_path=str(base))) as (_, chain):
        asyncio.run(finalize(chain))
    return ("--chain", "local", "-d", str(base))


def test_revert_of_what_others_have_finalized_too_says_what_they_must_do(loam: Loam, tmp_path: Path) -> None:
    local = make_local_chain(tmp_path, 3)
    guard = GuardFile(tmp_path / "chains" / "local_testnet" / "guard")
    alice = GuardedSigner(AUTHORITY, Hash(bytes(32)), guard)
    asyncio.run(alice.sign(Certificate(0, 3, 3, 0, Hash(bytes(32)), ()), 0))
    outcome = loam("revert", "2", "--finalized", *local)
    assert outcome.code == 0
    again = GuardedSigner(AUTHORITY, Hash(bytes(32)), guard)
    assert not again.is_new, "it would find what it signed in blocks that stay, and sign no more"
    asyncio.run(again.sign(Certificate(0, 2, 2, 0, Hash(bytes(32)), ()), 0))
    for words in ("3 other authorities", "all nodes stopped", "back at block #1", "loam purge-chain"):
        assert words in outcome.err
    refused = loam.fail(ExitCode.ERROR, "revert", "1", *local)
    assert "Warning" not in refused


def test_revert_on_a_chain_that_nobody_else_has_warns_of_nothing(loam: Loam, base: Path) -> None:
    assert "Warning" not in loam("revert", "4", "--finalized", *dev(base)).err


def test_revert_of_blocks_that_are_not_final_warns_of_nothing(loam: Loam, tmp_path: Path) -> None:
    local = make_local_chain(tmp_path, 2)
    with open_chain(Config(chain="local", base_path=str(tmp_path))) as (_, chain):
        made = make_chain_block(chain)
        asyncio.run(chain.wait_stored(made.info.hash))
    outcome = loam("revert", "1", "--finalized", *local)
    assert (outcome.code, outcome.err) == (0, "")
    assert not (tmp_path / "chains" / "local_testnet" / "guard").exists()
    assert "3 other authorities" in loam("revert", "1", "--finalized", *local).err
    assert not (tmp_path / "chains" / "local_testnet" / "guard").exists(), "there was none"


def test_database_is_verified_compacted_inspected_and_backed_up(
    loam: Loam, base: Path, tmp_path: Path
) -> None:
    assert f"Blocks 0 to {FINALIZED}" in loam.ok("db", "verify", *dev(base))
    assert "now" in loam.ok("db", "compact", *dev(base))
    shown = json.loads(loam.ok("db", "inspect", "--count", *dev(base)))
    assert shown["columns"]["canonical"]["entries"] == FINALIZED + 1
    assert shown["genesis_hash"] == info(loam, base)["genesis_hash"]
    copy = tmp_path / "copy" / "chains" / "dev" / "db"
    copy.parent.mkdir(parents=True)
    loam.ok("db", "backup", copy, *dev(base))
    assert info(loam, tmp_path / "copy") == info(loam, base)
    assert "never overwrites" in loam.fail(ExitCode.USAGE, "db", "backup", copy, *dev(base))


def test_damaged_database_has_its_exit_code(loam: Loam, base: Path) -> None:
    for table in (base / "chains" / "dev" / "db" / "leveldb").iterdir():
        if table.suffix == ".log":
            data = bytearray(table.read_bytes())
            data[len(data) // 2] ^= 1
            table.write_bytes(data)
    loam.fail(ExitCode.DATABASE_CORRUPT, "db", "verify", *dev(base))


def test_database_of_another_chain_has_its_exit_code(loam: Loam, base: Path, tmp_path: Path) -> None:
    document = json.loads(loam.ok("build-spec", "--dev"))
    document["genesis"]["runtimeGenesis"]["config"]["balances"]["balances"][0][1] += 1
    file = tmp_path / "other.json"
    file.write_text(json.dumps(document))
    text = loam.fail(ExitCode.WRONG_GENESIS, "chain-info", "--chain", file, "-d", base)
    assert "purge" in text


def test_purge_removes_the_database_and_the_guard_of_a_dev_chain_and_keeps_keys(
    loam: Loam, base: Path
) -> None:
    loam.ok("key", "insert", "--dev", "-d", base, "--suri", "//Alice", "--key-type", "gran")
    chain = base / "chains" / "dev"
    assert (chain / "guard").exists()
    CopiedKeys(chain / "second-copy").add(bytes(32))
    outcome = loam("purge-chain", "-y", *dev(base))
    assert (outcome.code, str(chain / "db") in outcome.err) == (0, True)
    assert sorted(path.name for path in chain.iterdir()) == ["keystore"]
    assert "Nothing to remove" in loam("purge-chain", "-y", *dev(base)).err


def test_purge_asks_first_and_no_means_no(loam: Loam, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for answer in ("n\n", "\n", ""):
        monkeypatch.setattr("sys.stdin", io.StringIO(answer))
        outcome = loam("purge-chain", *dev(base))
        assert (outcome.code, "Aborted" in outcome.err) == (1, True)
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    loam.ok("purge-chain", *dev(base))
    assert not (base / "chains" / "dev" / "db").exists()


def test_guard_of_a_live_chain_survives_the_purge(loam: Loam, tmp_path: Path) -> None:
    document = json.loads(loam.ok("build-spec", "--dev"))
    document["chainType"] = "Live"
    file = tmp_path / "live.json"
    file.write_text(json.dumps(document))
    chain = tmp_path / "base" / "chains" / "dev"
    (chain / "db").mkdir(parents=True)
    (chain / "guard").write_text("x")
    CopiedKeys(chain / "second-copy").add(bytes(32))
    assert "signing guard" in loam("purge-chain", "-y", "--chain", file, "-d", tmp_path / "base").err
    assert sorted(path.name for path in chain.iterdir()) == ["guard", "second-copy"]


HEADER = Header(Hash(bytes(32)), 1, Hash(bytes(32)), Hash(bytes(32)), Digest(()))


def make_block(extrinsics: list[bytes], justification: bytes | None) -> SignedBlock:
    justifications = None if justification is None else ((b"LOAM", justification),)
    return SignedBlock(HEADER, tuple(encode_compact(len(raw)) + raw for raw in extrinsics), justifications)


@given(st.lists(st.binary(max_size=100), max_size=5), st.none() | st.binary(max_size=50))
def test_signed_blocks_survive_their_bytes(extrinsics: list[bytes], justification: bytes | None) -> None:
    block = make_block(extrinsics, justification)
    data = encode_block(block)
    assert decode_block(data, 0) == (block, len(data))
    for end in range(len(data)):
        with pytest.raises(DecodeError):
            decode_block(data[:end], 0)


def test_signed_block_is_that_of_substrate() -> None:
    data = encode_block(make_block([b"\x04\x00"], b"\xaa"))
    assert (
        data
        == bytes(32) + b"\x04" + bytes(64) + b"\x00" + b"\x04" + b"\x08\x04\x00" + b"\x01\x04LOAM\x04\xaa"
    )


def test_blocks_are_read_one_by_one_from_a_long_file() -> None:
    blocks = [make_block([bytes(1000)] * 50, None)] * 200
    file = io.BytesIO(encode_count(200) + b"".join(map(encode_block, blocks)))
    assert sum(1 for _ in read_blocks(file, read_count(file))) == 200


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "too short"),
        (b"\x01\x00", "too short"),
        (b'{"block":1}', "JSON"),
        ((BLOCKS_MAX + 1).to_bytes(8, "little"), "claims"),
        (encode_count(1), "block 1 of 1 in the file is malformed"),
        (encode_count(2) + encode_block(make_block([], None)), "block 2 of 2"),
        (encode_count(0) + b"x", "goes on"),
        (encode_count(1) + bytes(97) + b"\x00" + b"\xfe\xff\xff\xff", "malformed"),
    ],
)
def test_other_files_are_refused(data: bytes, words: str) -> None:
    file = io.BytesIO(data)
    with pytest.raises(BlockFileError, match=words):
        list(read_blocks(file, read_count(file)))
