"""`audit`: rows, days, reports and proofs, computed again from what a node tells and can prove.

The work is that of `apps/audit/`; here are options, output, and the exit codes that scripts read: 0 equal,
1 it differs, 2 it cannot be checked. It must not know what events mean.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial, wraps
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from apps.audit.day import check_day
from apps.audit.errors import Differs, Unchecked
from apps.audit.export import Range, collect, find_last, render, write_lines
from apps.audit.periods import ReportKind, parse_day, parse_period
from apps.audit.report import (
    Report,
    compute_report,
    decode_rows,
    ensure_same,
    ensure_same_rows,
    read_report,
    submit_report,
)
from apps.audit.row_proof import PROOF_BYTES_MAX, RowProof, decode_proof, ensure_proven, parse_hash
from apps.audit.rows import Kind, csv_table
from apps.audit.spool import Spool
from apps.audit.witness import Trust, Witness
from apps.chain.client import Chain
from apps.chain.connection import ConnectionSettings
from apps.chain.errors import ClientError
from apps.chain.sender import Sender
from node.cli.progress import Advance, show_progress
from node.clock import SystemClock
from node.config import UsageError
from node.keystore.files import read_private_text
from runtime.primitives.crypto import Keypair, Scheme
from runtime.primitives.keys import UriError
from runtime.primitives.scale import DecodeError, EncodeError
from runtime.primitives.types import Hash

DIFFERS: Final = 1
UNCHECKED: Final = 2
CONNECT_S: Final = 10.0
ANSWER_S: Final = 600.0
"""A proof of an old block takes the node a walk over all later changes."""
SECRET_VARIABLE: Final = "LOAM_AUDIT_SECRET"  # noqa: S105  # a variable's name, not a secret

AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])


def with_exit_codes(function: Callable[..., None]) -> Callable[..., int]:
    """Turn the two ways in which an audit ends badly into a sentence and an exit code."""

    @wraps(function)
    def run(**values: Any) -> int:
        try:
            function(**values)
        except Differs as error:
            click.echo(f"Differs: {error}", err=True)
            return DIFFERS
        except (Unchecked, ClientError, DecodeError, EncodeError) as error:
            click.echo(f"Not checked: {error}", err=True)
            return UNCHECKED
        return 0

    return run


def node_options(function: AnyFunction) -> AnyFunction:
    """Add the options of a command that asks a node."""
    options = (
        click.option(
            "--url",
            default="ws://127.0.0.1:9944",
            metavar="URL",
            help="WebSocket address of the node to ask.",
        ),
        click.option(
            "--chain",
            "chain_name",
            metavar="NAME|FILE",
            help="The chain's specification: genesis and authorities are checked against it.",
        ),
        click.option(
            "--trusted-block",
            metavar="NUMBER:HASH",
            help="A final block known from elsewhere: all that is shown must lead to it.",
        ),
        click.option("--no-progress", is_flag=True, help="Say nothing while working."),
    )
    for option in reversed(options):
        function = option(function)
    return function


unproven_option = click.option(
    "--unproven", is_flag=True, help="Take the node's word for events, which is much quicker for old blocks."
)


@click.group("audit")
def audit() -> None:
    """Check a chain and its reports against what can be computed from its blocks.

    Exit codes: 0 all is right, 1 something differs, 2 it cannot be checked; the message says what would help.
    """


@audit.command("rows")
@click.option("--from", "first", type=click.IntRange(min=1), default=1, help="First block. [1]")
@click.option("--to", "last", type=click.IntRange(min=1), help="Last block; the last final one by default.")
@click.option(
    "--kind", type=click.Choice([one.value for one in Kind]), required=True, help="What rows are of."
)
@click.option("--format", "form", type=click.Choice(["csv", "json"]), default="json", help="Lines. [json]")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File; standard output by default. An interrupted run goes on where it was.",
)
@click.option("--proofs", is_flag=True, help="Write a proof of each row to OUTPUT.proofs.")
@unproven_option
@node_options
@with_exit_codes
def rows(
    *,
    first: int,
    last: int | None,
    kind: str,
    form: str,
    output: Path | None,
    proofs: bool,
    unproven: bool,
    **values: Any,
) -> None:
    """Write the rows of a range of final blocks, and the root of all of them."""
    if proofs and output is None:
        raise UsageError("--proofs: name a file with --output, beside which the proofs are written")
    if last is not None and last < first:
        raise UsageError(f"--to: expected at least {first}")

    async def run(folder: Path, witness: Witness, advance: Advance) -> None:
        given = find_last(folder) if last is None else last
        end = (await witness.finalized()).number if given is None else given
        if end < first:
            raise Unchecked(f"the last final block is {end}")
        wanted = Range(witness.chain.genesis, Kind(kind), first, end, not unproven)
        async with collect(witness, wanted, folder, advance) as spool:
            _write(output, render(spool, wanted.kind, witness.chain.runtime.metadata, is_csv=form == "csv"))
            if proofs and output is not None:
                write_lines(output.with_name(f"{output.name}.proofs"), spool.proofs())
            click.echo(
                f"{spool.length:,} rows of blocks {first:,} to {end:,}, root 0x{spool.root.hex()}", err=True
            )

    with _work_folder(output) as folder:
        _ask(partial(run, folder), values, proves_events=not unproven)


@audit.command("day")
@click.argument("day", metavar="DATE|NUMBER")
@click.option(
    "--proofs",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write a proof of each leaf to a file.",
)
@node_options
@with_exit_codes
def check_audit_day(*, day: str, proofs: Path | None, **values: Any) -> None:
    """Compute the audit log of a day, in Bangkok, and compare it with the root that the chain keeps."""
    number = parse_day(day)

    async def run(witness: Witness, advance: Advance) -> None:
        with tempfile.TemporaryDirectory() as folder, Spool(Path(folder)) as spool:
            found = await check_day(witness, number, advance, spool)
            if proofs is not None:
                write_lines(proofs, spool.proofs())
        click.echo(
            f"Day {number} is right: {found.seal.leaves:,} leaves of blocks {found.first:,} to"
            f" {found.last:,}, root 0x{found.seal.root.hex()}"
        )

    _ask(run, values, proves_events=None)


@audit.command("report")
@click.argument("kind", type=click.Choice([one.value for one in ReportKind]))
@click.argument("period")
@click.option("--format", "form", type=click.Choice(["json", "csv"]), default="json", help="Output. [json]")
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="File; standard output by default."
)
@click.option("--check", is_flag=True, help="Compare it with the report that the chain has.")
@click.option(
    "--against",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Compare it with a document, row by row.",
)
@click.option("--submit", is_flag=True, help="Draft and submit it, signed by an officer of reporting.")
@click.option(
    "--secret-file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help=f"The officer's secret URI; {SECRET_VARIABLE} by default.",
)
@unproven_option
@node_options
@with_exit_codes
def report(
    *,
    kind: str,
    period: str,
    output: Path | None,
    submit: bool,
    secret_file: Path | None,
    **values: Any,
) -> None:
    """Compute a report of a PERIOD that is over: sec 2026-Q3, erc 2026-07, amlo 2026-07, pdpa 2026."""
    wanted = parse_period(ReportKind(kind), period)
    signer = _read_secret(secret_file) if submit else None
    against: Path | None = values["against"]
    claimed = None if against is None else decode_rows(against.read_bytes())

    async def run(witness: Witness, advance: Advance) -> None:
        made = await compute_report(witness, wanted, advance)
        text = csv_table(made.rows) if values["form"] == "csv" else made.encode().decode()
        _write(output, iter([text]))
        click.echo(
            f"{kind} {period}: {made.summary}; {len(made.rows):,} rows of blocks {made.first:,} to"
            f" {made.last:,}, root 0x{made.root.hex()}, document 0x{made.document.hex()}",
            err=True,
        )
        if claimed is not None:
            ensure_same_rows(made.rows, claimed)
        if values["check"]:
            await _check_report(witness, made)
        if signer is not None:
            outcome = await submit_report(witness, Sender(witness.chain, signer), made)
            click.echo(f"Submitted in block {outcome.block.number:,}.", err=True)

    _ask(run, values, proves_events=not values["unproven"])


@audit.command("verify")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--root", metavar="HASH", help="The root that is trusted; the file's own by default.")
@click.option("--rows", "length", type=click.IntRange(min=1), help="How many rows that root is of.")
@with_exit_codes
def verify(*, file: Path, root: str | None, length: int | None) -> None:
    """Check proofs of rows, one a line of FILE, without any node."""
    trusted = None if root is None else _parse_root(root)
    shown: RowProof | None = None
    count = 0
    with file.open(encoding="utf-8", errors="replace") as lines:
        for count, line in enumerate(iter(lambda: lines.readline(PROOF_BYTES_MAX + 1), ""), 1):
            proof = decode_proof(line)
            shown = shown or proof
            _ensure_line(proof, count, trusted or shown.root, length or shown.length)
    if shown is None:
        raise Unchecked(f"{file} has no proofs")
    click.echo(f"{count:,} of the {shown.length:,} rows of root 0x{shown.root.hex()} are proven")
    if trusted is None:
        click.echo(
            "The root is the file's own word: compare it with one you trust, or give --root.", err=True
        )


# --- what the commands share


def _ask(
    work: Callable[[Witness, Advance], Awaitable[None]],
    values: dict[str, Any],
    *,
    proves_events: bool | None,
) -> None:
    """Do work with a node, and say on what it stands; `proves_events` is None where a root proves them."""
    trust = _make_trust(values["chain_name"], values["trusted_block"])

    async def run() -> None:
        async with _witness(values["url"], trust, proves_events=bool(proves_events)) as witness:
            with show_progress(
                "Audited blocks", None, SystemClock().monotonic, quiet=values["no_progress"]
            ) as advance:
                await work(witness, advance)

    asyncio.run(run())
    click.echo(f"This stands on {trust.describe()}.", err=True)
    if proves_events is False:
        click.echo("Events are the node's word.", err=True)


@asynccontextmanager
async def _witness(url: str, trust: Trust, *, proves_events: bool) -> AsyncIterator[Witness]:
    """Connect to a node; Unchecked when none answers."""
    settings = ConnectionSettings(timeout_s=ANSWER_S)
    async with AsyncExitStack() as stack:
        try:
            async with asyncio.timeout(CONNECT_S):
                chain = await stack.enter_async_context(Chain.connect(url, settings=settings))
        except TimeoutError as error:
            raise Unchecked(f"no node answers at {url}") from error
        yield Witness(chain, trust, proves_events=proves_events)


def _make_trust(chain_name: str | None, trusted_block: str | None) -> Trust:
    """Return what is believed: a chain's genesis and runtimes, and a block."""
    block = None if trusted_block is None else _parse_block(trusted_block)
    if chain_name is None:
        return Trust(block=block)
    from node.cli.audit_trust import load_trust  # noqa: PLC0415 (loads the pallets)

    genesis, authorities, metadata = load_trust(chain_name)
    return Trust(genesis, authorities, block, metadata)


def _parse_block(text: str) -> tuple[int, Hash]:
    number, colon, block_hash = text.partition(":")
    try:
        if not colon or not number.isascii() or not number.isdecimal():
            raise ValueError("no number")  # noqa: TRY301  # told below like the others
        return int(number), parse_hash(block_hash)
    except ValueError as error:
        raise UsageError(f"--trusted-block: expected NUMBER:HASH, got {text[:80]!r}") from error


def _parse_root(text: str) -> Hash:
    try:
        return parse_hash(text)
    except ValueError as error:
        raise UsageError(f"--root: expected 32 bytes of hex, got {text[:80]!r}") from error


def _read_secret(path: Path | None) -> Keypair:
    """Return the key that signs; it is never shown."""
    text = os.environ.get(SECRET_VARIABLE, "").strip() if path is None else read_private_text(path)
    if not text:
        raise UsageError(
            f"--submit: give the officer's secret in a file (--secret-file) or {SECRET_VARIABLE}"
        )
    try:
        return Keypair.from_uri(text, Scheme.SR25519)
    except UriError as error:
        raise UsageError(f"the secret is none: {error}") from error


async def _check_report(witness: Witness, made: Report) -> None:
    found = await read_report(witness, made.period)
    if found is None:
        raise Unchecked("the chain has no report of this kind and period yet")
    ensure_same(made, found)
    note = "" if found.document == made.document else "; its document is another file with the same rows"
    click.echo(f"The chain's report has the same rows and root; it is {found.state}{note}.", err=True)


def _ensure_line(proof: RowProof, line: int, root: Hash, length: int) -> None:
    try:
        ensure_proven(proof, root)
    except Differs as error:
        raise Differs(f"line {line}: {error}") from error
    if proof.length != length:
        raise Differs(f"line {line}: the proof is for a list of {proof.length:,} rows, not {length:,}")


def _write(output: Path | None, lines: Iterator[str]) -> None:
    if output is not None:
        write_lines(output, lines)
        return
    for line in lines:
        click.echo(line, nl=False)


@contextmanager
def _work_folder(output: Path | None) -> Iterator[Path]:
    """Lend the folder in which rows are collected: beside the output, where a run that was interrupted finds
    it again, or a passing one."""
    if output is None:
        with tempfile.TemporaryDirectory() as passing:
            yield Path(passing)
        return
    folder = output.with_name(f"{output.name}.part")
    if not folder.parent.is_dir():
        raise UsageError(f"{folder.parent} is no directory")
    folder.mkdir(exist_ok=True)
    try:
        yield folder
    except BaseException:
        if not any(folder.iterdir()):
            folder.rmdir()
        raise
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
