"""What the commands of the vault are given: the folder, the master key, the officer's account, the reason.

It reads secrets from files that only their owner can read, or asks for them; never from the command line.
"""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from apps.clock import SystemClock
from apps.vault.keyring import KeyFile, MasterSecret, Passphrase
from apps.vault.policy import Actor, Purpose, Reason, Role, parse_reason
from apps.vault.sealing import draw_bytes
from apps.vault.vault import Vault
from node.config import UsageError
from node.keystore.files import read_private_file, read_private_text, write_private_file
from runtime.primitives.crypto import Keypair, Scheme

SCHEMES: Final = {"sr25519": Scheme.SR25519, "ed25519": Scheme.ED25519}
AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])

folder_option = click.option(
    "-d",
    "--vault",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("vault"),
    metavar="DIR",
    help="Folder of the vault. [vault]",
)
master_options = (
    click.option(
        "--master-key-file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="File of the master key, readable by its owner alone.",
    ),
    click.option(
        "--passphrase-file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="File of the passphrase; without either file it is asked for.",
    ),
)
chain_option = click.option(
    "--chain", metavar="URL", help="WebSocket address of a node, such as ws://127.0.0.1:9944."
)
signer_options = (
    click.option(
        "--signer-file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="File with the secret URI of the officer's account, readable by its owner alone.",
    ),
    click.option("--scheme", type=click.Choice(list(SCHEMES)), default="sr25519", help="[sr25519]"),
)
reason_options = (
    click.option("--purpose", type=click.Choice([str(one) for one in Purpose]), required=True, help="Why."),
    click.option("--reference", default="", metavar="TEXT", help="Number of the matter."),
)


def with_options(
    *options: Callable[[AnyFunction], AnyFunction],
) -> Callable[[AnyFunction], AnyFunction]:
    """Decorate a command's function with options, shown in their order."""

    def decorate(function: AnyFunction) -> AnyFunction:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


vault_options = with_options(folder_option, *master_options)


@contextmanager
def open_vault(values: dict[str, Any]) -> Iterator[Vault]:
    """Open the vault that a command's options name."""
    secret = read_secret(values["master_key_file"], values["passphrase_file"], "Passphrase of the vault")
    with Vault(values["folder"], secret, SystemClock()) as vault:
        yield vault


def read_secret(key_file: Path | None, passphrase_file: Path | None, prompt: str) -> MasterSecret:
    """Return the master secret of a file, or ask for a passphrase; UsageError, KeystoreError."""
    if key_file is not None and passphrase_file is not None:
        raise UsageError("--master-key-file and --passphrase-file: give only one of these")
    if key_file is not None:
        return KeyFile(_parse_key(key_file, read_private_file(key_file)))
    if passphrase_file is not None:
        return Passphrase(read_private_file(passphrase_file).rstrip(b"\r\n"))
    return Passphrase(str(click.prompt(prompt, hide_input=True, err=True)).encode())


def make_secret(folder: Path, key_file: Path | None, passphrase_file: Path | None) -> MasterSecret:
    """Return the secret of a vault to be made, writing a key file where it is not there yet."""
    if key_file is None or passphrase_file is not None or key_file.exists():
        prompt = "Passphrase of the vault"
        if key_file is None and passphrase_file is None:
            asked = click.prompt(prompt, hide_input=True, confirmation_prompt=True, err=True)
            return Passphrase(str(asked).encode())
        return read_secret(key_file, passphrase_file, prompt)
    if key_file.resolve().is_relative_to(folder.resolve()):
        raise UsageError(
            "--master-key-file: beside what it opens, a key protects nothing; name another folder"
        )
    key = draw_bytes()
    write_private_file(key_file, f"{key.hex()}\n".encode())
    return KeyFile(key)


def read_signer(values: dict[str, Any]) -> Keypair | None:
    """Return the officer's key pair, None where no file is named; UriError, KeystoreError."""
    path = values["signer_file"]
    if path is None:
        return None
    return Keypair.from_uri(read_private_text(path), SCHEMES[values["scheme"]])


def read_reason(values: dict[str, Any]) -> Reason:
    """Return the reason that a command's options give; BadInput."""
    return parse_reason(values["purpose"], values["reference"])


def custodian() -> Actor:
    """Return who works at the machine: the log names the machine's user, whatever the environment says."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a user without a name
        name = str(os.getuid())
    return Actor(f"local:{name}", Role.CUSTODIAN)


def read_input(path: str, limit: int) -> bytes:
    """Return a file's bytes, or those of standard input for `-`; UsageError beyond the limit."""
    if path == "-":
        data = sys.stdin.buffer.read(limit + 1)
    else:
        with Path(path).open("rb") as file:
            data = file.read(limit + 1)
    if len(data) > limit:
        raise UsageError(f"{path}: larger than {limit} bytes")
    return data


def _parse_key(path: Path, data: bytes) -> bytes:
    try:
        return bytes.fromhex(data.decode().strip())
    except ValueError as error:
        raise UsageError(f"{path} holds no key: 64 hex digits") from error
