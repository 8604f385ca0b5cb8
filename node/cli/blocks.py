"""Commands on the blocks of a stopped node: info, export, import, check, revert.

It must not know how blocks are stored: it asks the chain that the service lends.
"""

import asyncio
import secrets
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, BinaryIO

import click
import orjson

from genesis.chain_spec import ChainSpec, load_spec
from node.authoring.importer import Importer
from node.chain.chain import Chain
from node.chain.errors import BlockAhead, ConflictingCertificate, UnknownBlock
from node.chain.opening import holds_chain
from node.chain.rules import AHEAD_MAX_MS
from node.cli.block_file import SignedBlock, encode_block, encode_count, read_blocks, read_count
from node.cli.options import resolve_options, setting_options
from node.cli.progress import show_progress
from node.cli.start import start_logs
from node.clock import SystemClock
from node.config import ConfigError, OperatorError, UsageError
from node.driver.signer import forget_signatures
from node.service import count_workers, open_chain
from node.storage.blocks import BlockStore
from node.storage.filling import Milestone
from node.storage.guard import GuardFile
from node.verifier import Verifier
from runtime.frame.executive import InvalidBlock
from runtime.primitives.block import Block, decode_header, hash_header
from runtime.primitives.certificate import (
    ENGINE_ID,
    Certificate,
    InvalidCertificate,
    decode_certificate,
    encode_certificate,
)
from runtime.primitives.scale import DecodeError
from runtime.primitives.tree import Tree
from runtime.primitives.types import Hash

NO_PARENT_STATE = "this node's history begins with it, so the state before it is not here"

chain_options = setting_options("dev", "chain", "base_path", "state_pruning", "log")
UNFINALIZED_WARNING = """\
Warning: this chain has {others} other authorities. Their nodes, and those that only follow the chain, still
have the final blocks that went: they bring them back here or, once others took their place, refuse those for
ever. Keep all nodes stopped until each is back at block #{target} too ("loam revert N --finalized"); a node
that only follows may begin anew instead ("loam purge-chain")."""
progress_option = click.option("--no-progress", is_flag=True, help="Say nothing while working.")


@click.command("chain-info")
@click.option("--output-type", type=click.Choice(["text", "json"], case_sensitive=False), default="json")
@chain_options
def chain_info(*, output_type: str, **values: Any) -> None:
    """Show what the database holds."""
    with borrow_chain(values) as (spec, chain):
        store = chain.store
        info = {
            "chain": spec.name,
            "id": spec.id,
            "genesis_hash": f"0x{chain.genesis_hash.hex()}",
            "best_number": chain.head.number,
            "best_hash": f"0x{chain.head.hash.hex()}",
            "finalized_number": chain.finalized.number,
            "finalized_hash": f"0x{chain.finalized.hash.hex()}",
            "finalized_state_root": f"0x{chain.finalized.header.state_root.hex()}",
            "oldest_state": store.oldest_state(),
            "first_block": store.first_block,
            "trusted_block": describe_set_change(store),
            "leaves": len(store.leaves()),
        }
    if output_type.lower() == "json":
        click.echo(orjson.dumps(info, option=orjson.OPT_INDENT_2))
    else:
        click.echo("\n".join(f"{label}: {value}" for label, value in info.items()))


@click.command("export-blocks")
@click.argument("output", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option("--from", "first", type=click.IntRange(min=1), default=1, help="First block. [1]")
@click.option("--to", "last", type=click.IntRange(min=1), help="Last block; the best one by default.")
@click.option("--binary", is_flag=True, help="Accepted: the file is always binary.")
@progress_option
@chain_options
def export_blocks(
    output: Path | None, *, first: int, last: int | None, binary: bool, no_progress: bool, **values: Any
) -> None:  # `binary` is accepted for scripts
    """Write blocks to OUTPUT, or to standard output."""
    del binary
    with borrow_chain(values) as (_, chain):
        end = chain.head.number if last is None else last
        if end > chain.head.number:
            raise UsageError(f"--to: the best block is {chain.head.number}")
        if first > end + 1 or (last is not None and first > end):
            raise UsageError(f"--from: expected at most {end}, got {first}")
        blocks = (load_block(chain, number) for number in range(first, end + 1))
        with open_output(output) as file:
            write_blocks(file, blocks, end + 1 - first, quiet=no_progress)


@click.command("import-blocks")
@click.argument("source", metavar="[INPUT]", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option("--binary", is_flag=True, help="Accepted: the file is always binary.")
@progress_option
@chain_options
@setting_options("workers")
def import_blocks(source: Path | None, *, binary: bool, no_progress: bool, **values: Any) -> None:
    """Execute and store the blocks of INPUT, or of standard input."""
    del binary
    workers = count_workers(resolve_options(values).config)
    with open_input(source) as file, borrow_chain(values, may_create=True) as (spec, chain):
        count = read_count(file)
        blocks = read_blocks(file, count)
        with show_progress("Imported", count, SystemClock().monotonic, quiet=no_progress) as advance:
            ahead = None if spec.is_dev else AHEAD_MAX_MS
            with chain.store.unsynced():
                imported = asyncio.run(
                    import_all(chain, blocks, advance, workers=workers, ahead_max_ms=ahead)
                )
        head, final = chain.head, chain.finalized
        click.echo(
            f"Imported {imported} of {count} blocks; best #{head.number} (0x{head.hash.hex()}),"
            f" finalized #{final.number}",
            err=True,
        )


@click.command("check-block")
@click.argument("block", metavar="HASH|NUMBER")
@chain_options
def check_block(block: str, **values: Any) -> None:
    """Execute one stored block again and compare the outcome with its header."""
    with borrow_chain(values) as (_, chain):
        block_hash = find_block(chain, block)
        checked = execute_again(chain, block_hash)
        count = len(checked.extrinsics)
        click.echo(f"Block #{checked.header.number} (0x{block_hash.hex()}) of {count} extrinsics is right.")


@click.command("revert")
@click.argument("count", type=click.IntRange(min=1), default=256)
@click.option("--finalized", is_flag=True, help="Development chains only: take back finalized blocks too.")
@chain_options
def revert(count: int, *, finalized: bool, **values: Any) -> None:
    """Take the best chain back by COUNT blocks; finalized blocks stay.

    A development chain may give up finalized blocks too; its signing guard goes with them, since it would
    keep the authority from voting for the blocks that take their place. Where several nodes have them, all
    must give them up.
    """
    with borrow_chain(values) as (spec, chain):
        before = chain.head.number
        if finalized and not spec.is_dev:
            raise UsageError(
                "--finalized is for development chains: others have promised their finalized blocks"
            )
        is_unfinalized = chain.head.number - count < chain.finalized.number
        others = len(chain.api.authority_set().authorities) - 1
        target = take_back(chain, count, may_unfinalize=finalized)
        guard = resolve_options(values).config.get_guard_path(spec.id)
        if is_unfinalized and others:
            forget_signatures(GuardFile(guard))
        elif is_unfinalized:
            guard.unlink(missing_ok=True)
        click.echo(f"Reverted {before - target} blocks; the best block is #{target}.")
        if is_unfinalized and others:
            click.echo(UNFINALIZED_WARNING.format(others=others, target=target), err=True)


@contextmanager
def borrow_chain(values: dict[str, Any], *, may_create: bool = False) -> Iterator[tuple[ChainSpec, Chain]]:
    """Lend the chain that a command's options name; only an import makes a database where there is none."""
    config = resolve_options(values).config
    start_logs(config)
    path = config.get_chain_path(load_spec(config.chain).id) / "db"
    if not may_create and not holds_chain(path):
        raise ConfigError(describe_absence(path))
    with open_chain(config) as lent:
        yield lent


def describe_absence(path: Path) -> str:
    """Return why there is no chain at the path of a database."""
    if path.is_dir():
        return f"{path} holds no chain yet: a state was being fetched from peers; start the node to go on"
    return f"{path} does not exist: this chain has no database yet"


def load_block(chain: Chain, number: int) -> SignedBlock:
    """Return a block of the best chain with its certificate; OperatorError where its body is not kept."""
    block_hash = chain.hash_at(number)
    block = None if block_hash is None else chain.block(block_hash)
    if number in chain.store.gap():
        raise OperatorError(describe_gap(chain, number))
    if block_hash is None or block is None:
        raise OperatorError(f"block {number} is not kept by this node (see --blocks-pruning)")
    certificate = chain.certificate(block_hash)
    justifications = None if certificate is None else ((ENGINE_ID, encode_certificate(certificate)),)
    return SignedBlock(block.header, block.extrinsics, justifications)


def describe_set_change(store: BlockStore) -> str | None:
    """Return the last block that announced authorities, as --trusted-block takes it, None without one."""
    last: Milestone | None = None
    for milestone in store.milestones(1, store.finalized().number + 1):
        last = milestone
    if last is None:
        return None
    header = decode_header(last.header)
    return f"{header.number}:0x{hash_header(header).hex()}"


def describe_gap(chain: Chain, number: int) -> str:
    """Return why a block is not here that this node never had."""
    return (
        f"block {number} was never here: this node got its state from peers and has the blocks from"
        f" {chain.store.first_block} on"
    )


def write_blocks(file: BinaryIO, blocks: Iterable[SignedBlock], count: int, *, quiet: bool) -> None:
    """Write the file of some blocks."""
    file.write(encode_count(count))
    with show_progress("Exported", count, SystemClock().monotonic, quiet=quiet) as advance:
        for done, block in enumerate(blocks, 1):
            file.write(encode_block(block))
            advance(done)


async def import_all(
    chain: Chain,
    blocks: Iterable[SignedBlock],
    advance: Callable[[int], None],
    *,
    workers: int,
    ahead_max_ms: int | None,
) -> int:
    """Import blocks and what finality they bring; return how many were new. OperatorError at the first bad
    one.
    """
    imported = 0
    async with Verifier(workers) as verifier:
        importer = Importer(
            chain,
            verifier,
            SystemClock(),
            nullcontext,
            is_verified=lambda _extrinsic, _job: False,
            known=None,
            ahead_max_ms=ahead_max_ms,
        )
        for done, block in enumerate(blocks, 1):
            if block.header.number in chain.store.gap():
                raise OperatorError(f"{describe_gap(chain, block.header.number)}; import those above it")
            imported += await import_one(importer, block, chain.finalized.number)
            advance(done)
    await chain.wait_stored(chain.head.hash)
    return imported


async def import_one(importer: Importer, block: SignedBlock, finalized: int) -> bool:
    """Import one block and finalize it if it brings its certificate; tell whether it was new."""
    number = block.header.number
    try:
        imported = await importer.import_block(block.header, block.extrinsics)
        certificate = find_certificate(block, hash_header(block.header))
        if certificate is not None and number > finalized:
            await importer.finalize(certificate)
    except UnknownBlock as error:
        raise OperatorError(
            f"block {number}: its parent is not known; import those before it first"
        ) from error
    except InvalidBlock as error:
        raise OperatorError(f"block {number} is invalid: {error}") from error
    except BlockAhead as error:
        raise OperatorError(f"block {number} cannot be imported yet: {error}") from error
    except InvalidCertificate as error:
        raise OperatorError(f"block {number} has an invalid certificate: {error}") from error
    except ConflictingCertificate as error:
        raise OperatorError(str(error)) from error
    return imported is not None


def find_certificate(block: SignedBlock, block_hash: Hash) -> Certificate | None:
    """Return the certificate among a block's justifications, or None; InvalidCertificate if it is none of
    it.
    """
    found = next((data for engine, data in block.justifications or () if engine == ENGINE_ID), None)
    if found is None:
        return None
    try:
        certificate = decode_certificate(found)
    except DecodeError as error:
        raise InvalidCertificate(str(error)) from error
    if certificate.block_hash != block_hash:
        raise InvalidCertificate("it is one for another block")
    return certificate


def find_block(chain: Chain, text: str) -> Hash:
    """Return the hash of a known block named by number or hash."""
    if text.isascii() and text.isdecimal() and len(text) <= 10:
        found = chain.hash_at(int(text))
        if int(text) in chain.store.gap():
            raise UsageError(describe_gap(chain, int(text)))
        if found is None:
            raise UsageError(f"there is no block {text}; the best one is {chain.head.number}")
        return found
    try:
        block_hash = Hash(bytes.fromhex(text.removeprefix("0x")))
    except ValueError as error:
        raise UsageError(f"expected a block number or 32 bytes of hex, got {text[:80]!r}") from error
    if len(block_hash) != 32 or not chain.is_known(block_hash):
        raise UsageError(f"the database has no block {text[:80]}")
    return block_hash


def execute_again(chain: Chain, block_hash: Hash) -> Block:
    """Execute a stored block on its parent's state and return it; OperatorError unless header, body and root
    agree.
    """
    block = chain.block(block_hash)
    if block is None:
        raise OperatorError(f"the body of block 0x{block_hash.hex()} is not kept by this node")
    if block.header.number == 0:
        raise UsageError("block 0 is the genesis: it is compared with the chain specification at every start")
    parent = block.header.parent_hash
    if block.header.number == chain.store.first_block:
        raise OperatorError(f"block {block.header.number} cannot be executed: {NO_PARENT_STATE}")
    try:
        with chain.runtime_at(parent) as api:
            changes = chain.check_block(block.header, block.extrinsics, api)
    except InvalidBlock as error:
        raise OperatorError(f"block #{block.header.number} is invalid: {error}") from error
    view = chain.view(parent)
    try:
        before = ((key, value) for key in view.keys(b"") if (value := view.get(key)) is not None)
        root = Tree.from_items(before).update((change.key, change.new) for change in changes)
    finally:
        view.close()
    if root != block.header.state_root:
        raise OperatorError(f"block #{block.header.number} gives another state root than its header says")
    return block


def take_back(chain: Chain, count: int, *, may_unfinalize: bool) -> int:
    """Drop the last `count` blocks of the best chain and all other branches; return the new best number."""
    unfinalized = chain.head.number - chain.finalized.number
    if count > unfinalized and not may_unfinalize:
        raise OperatorError(
            f"above the last finalized block #{chain.finalized.number}, which stays, there are {unfinalized}"
            " blocks to take back; on a development chain --finalized takes it back too"
        )
    target = max(chain.head.number - count, 0)
    if target < (first := chain.store.first_block):
        raise OperatorError(f"the chain can be taken back to block {first}, where this node's history begins")
    asyncio.run(_revert(chain, target))
    return target


async def _revert(chain: Chain, number: int) -> None:
    found = chain.hash_at(number)
    assert found is not None, "the best chain has a block of each number"
    await chain.revert(found)
    await chain.wait_stored(found)


@contextmanager
def open_output(path: Path | None) -> Iterator[BinaryIO]:
    """Open the file to write, or standard output; a file gets its name only when all of it is written."""
    if path is None or str(path) == "-":
        if sys.stdout.isatty():
            raise UsageError("blocks are no text for a terminal: name a file, or send standard output to one")
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if path.exists() and not path.is_file():  # a device or a pipe
        with path.open("wb") as file:
            yield file
        return
    if not path.parent.is_dir():
        raise UsageError(f"{path.parent} is no directory")
    unfinished = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    try:
        with unfinished.open("wb") as file:
            yield file
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def open_input(path: Path | None) -> Iterator[BinaryIO]:
    """Open the file to read, or standard input."""
    if path is None or str(path) == "-":
        yield sys.stdin.buffer
        return
    with path.open("rb") as file:
        yield file
