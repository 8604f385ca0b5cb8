"""`vault`: personal data in an encrypted store, with commitments on a chain.

Each command opens the store, does one thing and closes it; commands may be used while `serve` runs. The
rules are those of apps/vault, for a custodian: whoever can open the store may do everything, and the log
says who did.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click
import orjson

from apps.chain.client import Chain
from apps.clock import SystemClock
from apps.vault.calls import CALLS, Wish, parse_wish
from apps.vault.errors import BadExport, Busy, VaultError
from apps.vault.export import DOCUMENT_BYTES_MAX, Checked, check_export
from apps.vault.link import ChainLink
from apps.vault.obligations import Nearness, Obligation, list_obligations
from apps.vault.policy import (
    Kind,
    Place,
    Purpose,
    Reason,
    Role,
    parse_choice,
    parse_commitment,
    parse_subject,
)
from apps.vault.program import Settings, serve
from apps.vault.records import parse_record
from apps.vault.vault import Vault
from apps.vault.web import export_subject
from node.cli.vault_options import (
    chain_option,
    custodian,
    folder_option,
    make_secret,
    master_options,
    open_vault,
    read_input,
    read_reason,
    read_signer,
    reason_options,
    signer_options,
    vault_options,
    with_options,
)
from node.config import ExitCode, StartError, UsageError
from node.keystore.files import write_private_file
from node.telemetry.levels import LogFilter, parse_filters
from node.telemetry.logs import LogStyle, configure_logs
from pallets.compliance.commitment import RECORD_BYTES_MAX
from runtime.primitives.crypto import Keypair
from runtime.primitives.types import AccountId

PORT_DEFAULT: Final = 9950
MAINTENANCE: Final = Reason(Purpose.MAINTENANCE)
KINDS: Final = click.Choice([str(kind) for kind in Kind])
ROLES: Final = click.Choice([str(role) for role in Role if role is not Role.CUSTODIAN])
CALL_HELP = f"Call that goes with it: {', '.join(name for name, one in CALLS.items() if one.roles)}."
call_options = (
    click.option("--call", metavar="NAME", help=CALL_HELP),
    click.option("-a", "--argument", "arguments", multiple=True, metavar="NAME=VALUE", help="For the call."),
)
new_key_options = (
    click.option(
        "--new-master-key-file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="File of the new master key; it is made if it is not there.",
    ),
    click.option("--new-passphrase-file", type=click.Path(path_type=Path), metavar="FILE"),
)
on_chain = with_options(chain_option, *signer_options)


@click.group("vault")
def vault() -> None:
    """Keep personal data off the chain, and erase them for good."""


# --- records


@vault.command("init")
@with_options(folder_option, *master_options)
def init(*, folder: Path, master_key_file: Path | None, passphrase_file: Path | None) -> None:
    """Make a vault.

    The master key is in a file, which is made where it is not there, or from a passphrase. Root makes the
    vault's own key known to the chain: Privacy.set_vault_key.
    """
    secret = make_secret(folder, master_key_file, passphrase_file)
    Vault.create(folder, secret)
    with Vault(folder, secret, SystemClock()) as opened:
        click.echo(f"{folder}: a new vault; its key is 0x{opened.public.hex()}")


@vault.command("put")
@click.argument("subject")
@click.argument("kind", type=KINDS)
@click.argument("file", type=click.Path(allow_dash=True))
@with_options(*reason_options, *call_options)
@on_chain
@vault_options
def put(*, subject: str, kind: str, file: str, **values: Any) -> None:
    """Keep a record of an account.

    The record is the JSON object in FILE. With --call the commitment goes to the chain: at once with --chain
    and --signer-file, otherwise when the service or `loam vault deliver` reaches it.
    """
    record = parse_record(read_input(file, 2 * RECORD_BYTES_MAX))
    wish = _read_wish(values)
    with open_vault(values) as opened:
        account, chosen = parse_subject(subject), parse_choice(kind, Kind, "a kind")
        stored = opened.put(custodian(), read_reason(values), account, chosen, record, wish=wish)
        _show({"version": stored.version, "commitment": f"0x{stored.commitment.hex()}"})
        _deliver_if_told(opened, values)


@vault.command("show")
@click.argument("subject")
@click.argument("kind", type=KINDS)
@click.argument("version", type=click.IntRange(1))
@with_options(*reason_options)
@vault_options
def show(*, subject: str, kind: str, version: int, **values: Any) -> None:
    """Show a record; the access is logged."""
    with open_vault(values) as opened:
        place = Place(parse_subject(subject), parse_choice(kind, Kind, "a kind"), version)
        found = opened.show(custodian(), read_reason(values), place)
    click.echo(found.record)


@vault.command("list")
@click.argument("subject")
@with_options(*reason_options)
@vault_options
def list_records(*, subject: str, **values: Any) -> None:
    """List what is kept of an account."""
    with open_vault(values) as opened:
        found = opened.listed(custodian(), read_reason(values), parse_subject(subject))
    for one in found:
        end = "" if one.tombstone is None else f"  erased: 0x{one.tombstone.hex()}"
        when = _date(one.created_ms)
        click.echo(f"{one.place.kind:<9} {one.place.version:>4}  {when}  0x{one.commitment.hex()}{end}")


@vault.command("find")
@click.argument("commitment")
@with_options(*reason_options)
@vault_options
def find(*, commitment: str, **values: Any) -> None:
    """Find the record of a commitment.

    Such as one that `loam vault due` names because it was kept for long enough.
    """
    with open_vault(values) as opened:
        found = opened.find(custodian(), read_reason(values), parse_commitment(commitment))
    click.echo(f"0x{found.place.subject.hex()} {found.place.kind} {found.place.version}")


@vault.command("erase")
@click.argument("subject")
@click.option("--request", type=click.IntRange(0, 2**32 - 1), help="Number of the request on the chain.")
@click.option("--kind", type=KINDS, help="Kind of the one record to erase.")
@click.option("--version", type=click.IntRange(1), help="Version of that record.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_options(*reason_options)
@on_chain
@vault_options
def erase(*, subject: str, request: int | None, yes: bool, **values: Any) -> None:
    """Erase an account's records for ever.

    Their keys and salts are destroyed. Without --kind and --version it is all of them, but for cases against
    money laundering. Backups of records keep ciphertexts that nothing opens; those of keys have to be
    destroyed too.
    """
    account = parse_subject(subject)
    place = _read_place(account, values)
    if place is not None and request is not None:
        raise UsageError("--request is about all of an account, --kind about one record")
    if not yes:
        what = "all records" if place is None else f"{place.kind} {place.version}"
        click.confirm(f"Erase {what} of {subject} for ever?", abort=True, err=True)
    with open_vault(values) as opened:
        if place is None:
            done = opened.erase(custodian(), read_reason(values), account, request)
        else:
            done = opened.erase_one(custodian(), read_reason(values), place)
        _show({"tombstone": f"0x{done.tombstone.hex()}", "record": orjson.loads(done.record)})
        _deliver_if_told(opened, values)


@vault.command("export")
@click.argument("subject")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="A new file.")
@with_options(*reason_options)
@vault_options
def export(*, subject: str, output: Path | None, **values: Any) -> None:
    """Write a subject's records with proofs.

    A signed JSON document: records, salts, commitments, and proofs that those stand on the chain.
    """
    if output is not None and output.exists():
        raise UsageError(f"{output} exists; an export never overwrites")
    with open_vault(values) as opened:
        document = export_subject(opened, custodian(), read_reason(values), parse_subject(subject))
    data = orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n"
    if output is None:
        click.echo(data, nl=False)
    else:
        write_private_file(output, data)


@vault.command("verify")
@click.argument("file", type=click.Path(allow_dash=True))
@chain_option
def verify(*, file: str, chain: str | None) -> int:
    """Check an exported document.

    It needs neither the vault nor a network. With --chain a node is asked whether blocks and key are the
    chain's. Exit code 1 where the document proves nothing.
    """
    try:
        checked = check_export(read_input(file, DOCUMENT_BYTES_MAX))
    except BadExport as error:
        click.echo(f"Not proven: {error}", err=True)
        return ExitCode.ERROR
    faults = [] if chain is None else asyncio.run(_compare(checked, chain))
    click.echo(
        f"{checked.records} records and {checked.erasures} erasures of 0x{checked.subject.hex()},"
        f" signed by the vault 0x{checked.vault_key.hex()}."
    )
    for block in checked.blocks:
        click.echo(f"Block {block.number} 0x{block.hash.hex()} has commitments of these.")
    if checked.loose:
        click.echo(f"Of {checked.loose} there is no proof that they are on a chain.")
    if chain is None:
        click.echo("Ask a node that you trust for these blocks and for Privacy.VaultKey.")
    for fault in faults:
        click.echo(f"Not proven: {fault}", err=True)
    return ExitCode.ERROR if faults else ExitCode.OK


# --- the chain


@vault.command("submit")
@click.argument("subject")
@click.option("--kind", type=KINDS, help="Kind of the record that the call commits to.")
@click.option("--version", type=click.IntRange(1), help="Version of that record.")
@with_options(*reason_options, *call_options)
@on_chain
@vault_options
def submit(*, subject: str, **values: Any) -> None:
    """Queue a call about an account.

    Such as attest_kyc, verify_dsr or start_retention.
    """
    wish = _read_wish(values)
    if wish is None:
        raise UsageError("--call is missing")
    account = parse_subject(subject)
    place = _read_place(account, values)
    with open_vault(values) as opened:
        _show({"submission": opened.submit(custodian(), read_reason(values), account, wish, place)})
        _deliver_if_told(opened, values)


@vault.command("deliver")
@click.option("--retry", type=click.IntRange(1), metavar="NUMBER", help="Queue a failed call again first.")
@on_chain
@vault_options
def deliver(*, retry: int | None, **values: Any) -> None:
    """Send the calls that wait.

    Each takes effect once or not at all; those that failed are shown.
    """
    with open_vault(values) as opened:
        if retry is not None:
            with opened.work():
                opened.outbox.retry(retry)
        if not values["chain"] or values["signer_file"] is None:
            raise UsageError("--chain and --signer-file are needed to send")
        _deliver_if_told(opened, values)
        with opened.reading():
            failed = opened.outbox.failed()
    for one in failed:
        click.echo(f"{one.id}: {one.call} failed: {one.failure}", err=True)


@vault.command("due")
@click.option("--chain", required=True, metavar="URL", help="WebSocket address of a node.")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
@click.option("--check", is_flag=True, help="Exit code 1 where something is late or near its deadline.")
def due(*, chain: str, as_json: bool, check: bool) -> int:
    """List what is owed, and until when.

    To data subjects and regulators, the most urgent first: access within 30 days, erasure within 90, notice
    of a breach within 72 hours. Near is what has 7 days left, 14 days, 24 hours. The chain's clock counts.
    """
    found = asyncio.run(_list_due(chain))
    if as_json:
        click.echo(orjson.dumps([one.to_json() for one in found], option=orjson.OPT_INDENT_2))
    else:
        for one in found:
            click.echo(_describe(one))
        if not found:
            click.echo("Nothing is due.")
    is_urgent = any(one.nearness is not Nearness.OPEN for one in found)
    return ExitCode.ERROR if check and is_urgent else ExitCode.OK


# --- the vault itself


@vault.command("serve")
@click.option("--host", default="127.0.0.1", metavar="ADDRESS", help="Where to listen. [127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), default=PORT_DEFAULT, help=f"[{PORT_DEFAULT}]")
@click.option("--behind-proxy", is_flag=True, help="Others may connect: a proxy in front adds TLS.")
@click.option("--log-format", type=click.Choice(["console", "json"]), default="console", help="[console]")
@on_chain
@vault_options
def serve_vault(*, host: str, port: int, behind_proxy: bool, log_format: str, **values: Any) -> None:
    """Serve officers over HTTP.

    It also sends their calls and watches the deadlines, until a signal ends it.
    """
    signer = read_signer(values)
    clock = SystemClock()
    style = LogStyle("json" if log_format == "json" else "console", color=sys.stderr.isatty())
    configure_logs(LogFilter(parse_filters(())), style, now_ms=clock.now_ms, monotonic=clock.monotonic)
    settings = Settings(host, port, values["chain"], signer, behind_proxy)
    with open_vault(values) as opened:
        asyncio.run(_serve(opened, settings, clock))


@vault.command("log")
@click.option("--from", "first", type=click.IntRange(1), default=1, metavar="NUMBER", help="First entry. [1]")
@click.option("--count", type=click.IntRange(1, 1000), default=100, help="[100]")
@click.option("--restricted", is_flag=True, help="Show what concerns cases against money laundering.")
@vault_options
def show_log(*, first: int, count: int, restricted: bool, **values: Any) -> None:
    """Show who did what, when and why."""
    with open_vault(values) as opened:
        if restricted:
            with opened.work():
                opened.note_keys(custodian(), MAINTENANCE, "restricted entries read")
        with opened.reading():
            entries = opened.log.entries(first, count, restricted=restricted)
    for entry in entries:  # whoever reads slowly holds up nobody, and undoes nothing
        click.echo(orjson.dumps(entry))


@vault.command("status")
@click.option("--check", is_flag=True, help="Open every record and compute the log anew.")
@vault_options
def status(*, check: bool, **values: Any) -> None:
    """Show what the vault holds, in numbers.

    With --check exit code 4 where something was altered or lost.
    """
    with open_vault(values) as opened:
        if check:
            try:
                opened.check(custodian())
            except VaultError as error:
                raise StartError(str(error), ExitCode.DATABASE_CORRUPT) from error
        _show(opened.status(custodian()))


@vault.command("rotate-master-key")
@with_options(*new_key_options)
@vault_options
def rotate_master_key(
    *, new_master_key_file: Path | None, new_passphrase_file: Path | None, **values: Any
) -> None:
    """Seal all keys by a new master key.

    Destroy the old one afterwards. It also makes useless what a disk may keep of keys that were erased.
    """
    with open_vault(values) as opened:
        secret = make_secret(values["folder"], new_master_key_file, new_passphrase_file)
        generation = opened.rotate_master_key(custodian(), MAINTENANCE, secret)
    click.echo(f"Master key {generation} is in force; the one before opens nothing, destroy it.")


@vault.command("backup")
@click.argument("target", type=click.Path(path_type=Path, dir_okay=False))
@vault_options
def backup(*, target: Path, **values: Any) -> None:
    """Copy the records, without keys.

    TARGET is a new file. Without keys.db such a copy shows nothing, so erasures need not reach it.
    """
    with open_vault(values) as opened:
        opened.back_up(custodian(), MAINTENANCE, target)
    click.echo(f"{target}: the records; keys are not in it.")


@vault.group("officer")
def officer() -> None:
    """Appoint, dismiss and list officers."""


@officer.command("add")
@click.argument("name")
@click.option("--role", type=ROLES, required=True, help="What the officer does.")
@vault_options
def add_officer(*, name: str, role: str, **values: Any) -> None:
    """Appoint an officer and print the token, once."""
    with open_vault(values) as opened, opened.work():
        token = opened.officers.add(name, Role(role), opened.now_ms())
        opened.note_keys(custodian(), MAINTENANCE, f"{name} appointed")
    click.echo(token)


@officer.command("revoke")
@click.argument("name")
@vault_options
def revoke_officer(*, name: str, **values: Any) -> None:
    """Dismiss an officer: the token holds no more."""
    with open_vault(values) as opened, opened.work():
        opened.officers.revoke(name, opened.now_ms())
        opened.note_keys(custodian(), MAINTENANCE, f"{name} dismissed")


@officer.command("list")
@vault_options
def list_officers(**values: Any) -> None:
    """List the officers that there are and were."""
    with open_vault(values) as opened, opened.reading():
        officers = opened.officers.listed()
    for one in officers:
        end = "" if one.revoked_ms is None else f"  until {_date(one.revoked_ms)}"
        click.echo(f"{one.name:<32} {one.role:<9} since {_date(one.created_ms)}{end}")


# --- leaves of the above


async def _serve(opened: Vault, settings: Settings, clock: SystemClock) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    async def tell(port: int) -> None:
        click.echo(f"The vault answers on http://{settings.host}:{port} (process {os.getpid()}).", err=True)

    async with asyncio.TaskGroup() as group:
        serving = group.create_task(serve(opened, settings, clock, tell))
        await stop.wait()
        serving.cancel()


def _deliver_if_told(opened: Vault, values: dict[str, Any]) -> None:
    """Send what waits where a node and an account are named, and say how much took effect."""
    signer = read_signer(values)
    if values["chain"] and signer is not None:
        try:
            delivered = asyncio.run(_deliver(opened, values["chain"], signer))
        except Busy as error:  # the service, as a rule
            click.echo(f"{error}.", err=True)
        else:
            click.echo(f"{delivered} calls took effect.", err=True)


async def _deliver(opened: Vault, url: str, signer: Keypair) -> int:
    with ThreadPoolExecutor(1) as executor:
        async with Chain.connect(url) as chain:
            return await ChainLink(opened, chain, signer, executor).deliver()


async def _list_due(url: str) -> list[Obligation]:
    async with Chain.connect(url) as chain:
        return await list_obligations(chain)


async def _compare(checked: Checked, url: str) -> list[str]:
    """Return where a document differs from the chain of a node."""
    async with Chain.connect(url) as chain:
        faults = []
        if checked.genesis is not None and checked.genesis != chain.genesis:
            faults.append("the document is of another chain")
        if await chain.get("Privacy", "VaultKey") != checked.vault_key:
            faults.append("the chain names another vault key")
        final = (await chain.finalized()).number
        faults += [
            f"block {block.number} of the chain is another one"
            for block in checked.blocks
            if block.number > final or await chain.block_hash(block.number) != block.hash
        ]
        return faults


def _read_wish(values: dict[str, Any]) -> Wish | None:
    """Return the call that options name: a value is a number where it looks like one, null, or text."""
    if values["call"] is None:
        if values["arguments"]:
            raise UsageError("--argument goes with --call")
        return None
    pairs = [text.partition("=") for text in values["arguments"]]
    if any(not mark for _, mark, _ in pairs):
        raise UsageError("--argument: expected NAME=VALUE")
    return parse_wish(values["call"], {name: _parse_argument(value) for name, _, value in pairs})


def _read_place(subject: AccountId, values: dict[str, Any]) -> Place | None:
    kind, version = values["kind"], values["version"]
    if (kind is None) != (version is None):
        raise UsageError("--kind and --version go together")
    return None if kind is None else Place(subject, parse_choice(kind, Kind, "a kind"), version)


def _parse_argument(text: str) -> str | int | None:
    if text.isascii() and text.isdecimal() and len(text) <= 40:
        return int(text)
    return None if text == "null" else text


def _describe(one: Obligation) -> str:
    hours = abs(one.left_ms) // 3_600_000
    left = f"{hours // 24} d {hours % 24} h"
    when = f"late by {left}" if one.nearness is Nearness.LATE else f"{left} left"
    return f"{one.nearness:<5} {one.what:<9} {one.id:<8} {when:<18} until {_date(one.due_ms)}  {one.detail}"


def _date(ms: int) -> str:
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _show(document: dict[str, Any]) -> None:
    click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2))
