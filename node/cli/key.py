"""`key`: generate, inspect, insert, sign and verify, with Substrate's options, words and JSON fields.

Secrets are printed only where that is the command's purpose, and never in an error. They can be given on
the command line as in Substrate; a file or the prompt keeps them out of the process list.
"""

import secrets
import sys
from pathlib import Path
from typing import Any

import click

from node.cli.key_text import Network, describe_public, describe_secret, parse_network, print_key
from node.cli.options import resolve_options, setting_options
from node.config import OperatorError, UsageError
from node.keystore import Keystore, parse_node_key, read_password
from node.keystore.files import read_private_file, write_private_file
from node.keystore.node_key import get_node_key_path
from node.network.identity import compute_peer_id
from runtime.primitives.crypto import Keypair, Scheme, compute_seed, verify
from runtime.primitives.keys import UriError, generate_mnemonic
from runtime.primitives.ss58 import Ss58Error, decode_address

SECRET_TEXT_MAX = 8192
MESSAGE_BYTES_MAX = 64 * 1024 * 1024
# Key types whose scheme Substrate fixes; others take sr25519 unless told.
SCHEMES_BY_TYPE = {"gran": Scheme.ED25519, "beef": Scheme.ECDSA}


class SchemeType(click.ParamType[Scheme]):
    """The name of a signature scheme, in any case."""

    name = "scheme"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Scheme:
        """Return the scheme of a name."""
        if isinstance(value, Scheme):
            return value
        try:
            return Scheme[str(value).upper()]
        except KeyError:
            return self.fail(f"{value!r} is not one of ed25519, sr25519, ecdsa", param, ctx)


SCHEME_HELP = "ed25519, sr25519 or ecdsa."
scheme_option = click.option(
    "--scheme", type=SchemeType(), default="sr25519", metavar="SCHEME", help=f"{SCHEME_HELP} [sr25519]"
)
network_option = click.option(
    "-n", "--network", type=str, default="substrate", help="Name or number for the address. [substrate]"
)
output_option = click.option(
    "--output-type", type=click.Choice(["text", "json"], case_sensitive=False), default="text"
)
password_options = setting_options("password", "password_interactive", "password_filename")
message_options = (
    click.option("--message", type=str, help="The message; from standard input when left out."),
    click.option("--hex", "is_hex", is_flag=True, help="The message is given in hex."),
)


@click.group("key")
def key() -> None:
    """Generate, inspect and use keys."""


@key.command("generate")
@click.option("-w", "--words", type=int, default=12, help="Words of the phrase: 12, 15, 18, 21 or 24. [12]")
@scheme_option
@network_option
@output_option
@password_options
def generate(*, words: int, scheme: Scheme, network: str, output_type: str, **values: Any) -> None:
    """Make a random secret phrase and show its keys."""
    phrase = generate_mnemonic(words)
    password = read_key_password(values)
    _print_secret(phrase, scheme, password, parse_network(network), output_type)


@key.command("inspect")
@click.argument("uri", required=False)
@click.option("--public", is_flag=True, help="URI is a public key in hex.")
@click.option("--expect-public", type=str, help="Fail unless URI has this public key or address.")
@scheme_option
@network_option
@output_option
@password_options
def inspect(uri: str | None, *, public: bool, expect_public: str | None, **values: Any) -> None:
    """Show the keys of a secret or an address.

    URI is a secret URI, phrase, seed or address or, with --public, a public key; it may be a file that
    contains it, and is asked for when it is left out.
    """
    network, output_type = parse_network(values.pop("network")), values.pop("output_type")
    scheme = values.pop("scheme")
    text = read_secret_text(uri)
    if public:
        print_key(describe_public(_parse_public(text), network), output_type)
        return
    password = read_key_password(values)
    try:
        pair = Keypair.from_uri(text, scheme, password)
    except UriError as error:
        _print_address(text, error, output_type)
        return
    if expect_public is not None and _parse_any_public(expect_public) not in {pair.public, pair.account_id}:
        raise OperatorError("the expected public key is not the one of the secret")
    _print_secret(text, scheme, password, network, output_type)


@key.command("insert")
@click.option("--suri", type=str, help="Secret URI, or a file that contains it; asked for when left out.")
@click.option("--key-type", type=str, required=True, help="Four characters, such as gran.")
@click.option("--scheme", type=SchemeType(), metavar="SCHEME", help=f"{SCHEME_HELP} [that of the key type]")
@setting_options("dev", "chain", "base_path", "keystore_path", "keystore_plain")
@password_options
def insert(*, suri: str | None, key_type: str, scheme: Scheme | None, **values: Any) -> None:
    """Put a key into the keystore of a chain."""
    config = resolve_options(values).config
    from genesis.chain_spec import load_spec  # noqa: PLC0415 (loads the pallets)

    scheme = scheme if scheme is not None else SCHEMES_BY_TYPE.get(key_type, Scheme.SR25519)
    path = config.get_keystore_path(load_spec(config.chain).id)
    password = read_password(config, ask_password)
    if password is None and not config.keystore_plain and sys.stdin.isatty():
        password = ask_password(is_new=True)
    inserted = Keystore(path, password=password, plain=config.keystore_plain).insert(
        key_type, read_secret_text(suri), scheme
    )
    click.echo(
        f"Inserted {inserted.key_type} {scheme.name.lower()} key 0x{inserted.public.hex()} into {path}"
    )


@key.command("sign")
@click.option("--suri", type=str, help="Secret URI, or a file that contains it; asked for when left out.")
@scheme_option
@message_options[0]
@message_options[1]
@password_options
def sign(*, suri: str | None, scheme: Scheme, message: str | None, is_hex: bool, **values: Any) -> None:
    """Sign a message and print the signature in hex."""
    data = read_message(message, is_hex=is_hex)
    password = read_key_password(values)
    pair = Keypair.from_uri(read_secret_text(suri), scheme, password)
    click.echo(f"0x{pair.sign(data).hex()}")


@key.command("verify")
@click.argument("signature")
@click.argument("uri", required=False)
@scheme_option
@message_options[0]
@message_options[1]
def verify_signature(
    signature: str, uri: str | None, *, scheme: Scheme, message: str | None, is_hex: bool
) -> None:
    """Check a signature in hex.

    URI is the public key in hex, or the address, of who signed.
    """
    data = read_message(message, is_hex=is_hex)
    public = _parse_any_public(read_secret_text(uri))
    if not verify(scheme, public, parse_hex(signature, "the signature"), data):
        raise OperatorError("the signature is invalid")
    click.echo("Signature verifies correctly.")


@key.command("generate-node-key")
@click.option("--file", type=click.Path(path_type=Path), help="Write the key there; its peer id is printed.")
@click.option("--bin", "is_binary", is_flag=True, help="32 raw bytes instead of hex.")
@click.option(
    "--default-base-path", is_flag=True, help="Write the key where the node of --chain looks for it."
)
@setting_options("dev", "chain", "base_path")
def generate_node_key(*, file: Path | None, is_binary: bool, default_base_path: bool, **values: Any) -> None:
    """Make a network key.

    The peer id goes to standard error, the key to standard output or the file.
    """
    config = resolve_options(values).config
    if file is None and (default_base_path or config.base_path is not None):
        from genesis.chain_spec import load_spec  # noqa: PLC0415 (loads the pallets)

        file = get_node_key_path(config, load_spec(config.chain).id)
    seed = secrets.token_bytes(32)
    data = seed if is_binary else seed.hex().encode()
    if file is None:
        click.echo(data, nl=not is_binary)
    else:
        if file.exists():
            raise UsageError(f"{file} exists; a network key is never overwritten")
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private_file(file, data)
    click.echo(compute_peer_id(Keypair.from_seed(seed, Scheme.ED25519).public), err=True)


@key.command("inspect-node-key")
@click.option(
    "--file", type=click.Path(path_type=Path), help="File with the key; standard input when left out."
)
@click.option("--bin", "is_binary", is_flag=True, help="Accepted: raw and hex keys are told apart by length.")
def inspect_node_key(*, file: Path | None, is_binary: bool) -> None:  # noqa: ARG001 (see its help)
    """Print the peer id of a network key."""
    if file is not None:
        pair = parse_node_key(read_private_file(file), str(file))
    else:
        pair = parse_node_key(sys.stdin.buffer.read(SECRET_TEXT_MAX), "standard input")
    click.echo(compute_peer_id(pair.public))


def read_key_password(values: dict[str, Any]) -> str | None:
    """Return the password that is part of a secret URI, from its option, file or the prompt."""
    return read_password(resolve_options(values).config, ask_password)


def ask_password(*, is_new: bool = False) -> str:
    """Ask the operator for the password, twice when it is a new one."""
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=is_new, err=True))


def read_secret_text(given: str | None) -> str:
    """Return a secret given as text, in a file, or at the prompt."""
    if given is None:
        return str(click.prompt("URI", hide_input=True, err=True)).strip()
    if len(given) < 1024 and "\0" not in given and Path(given).is_file():
        with Path(given).open("rb") as file:
            data = file.read(SECRET_TEXT_MAX + 1)
        if len(data) > SECRET_TEXT_MAX:
            raise UsageError(f"{given}: larger than {SECRET_TEXT_MAX} bytes, which no secret is")
        try:
            return data.decode().strip()
        except UnicodeDecodeError as error:
            raise UsageError(f"{given}: not UTF-8 text") from error
    return given


def read_message(given: str | None, *, is_hex: bool) -> bytes:
    """Return the message to sign, from the option or standard input."""
    if given is not None:
        return parse_hex(given, "the message") if is_hex else given.encode("utf-8", "surrogateescape")
    data = sys.stdin.buffer.read(MESSAGE_BYTES_MAX + 1)
    if len(data) > MESSAGE_BYTES_MAX:
        raise UsageError(f"the message is larger than {MESSAGE_BYTES_MAX} bytes")
    return parse_hex(data.decode("latin-1").strip(), "the message") if is_hex else data


def parse_hex(text: str, what: str) -> bytes:
    """Return the bytes of hex text with or without 0x."""
    try:
        return bytes.fromhex(text.removeprefix("0x"))
    except ValueError as error:
        raise UsageError(f"{what} is not hex") from error


def _print_secret(
    text: str, scheme: Scheme, password: str | None, network: Network, output_type: str
) -> None:
    pair = Keypair.from_uri(text, scheme, password)
    print_key(describe_secret(text, pair, compute_seed(text, scheme, password), network), output_type)


def _print_address(text: str, error: UriError, output_type: str) -> None:
    try:
        prefix, account_id = decode_address(text)
    except Ss58Error:
        raise UsageError(f"neither a secret URI nor an address: {error}") from error
    print_key(describe_public(account_id, Network(prefix), uri=text), output_type)


def _parse_public(text: str) -> bytes:
    try:
        public = bytes.fromhex(text.removeprefix("0x"))
    except ValueError as error:
        raise UsageError(f"neither a public key in hex nor an address: {text[:80]!r}") from error
    if len(public) not in {32, 33}:
        raise UsageError("a public key has 32 bytes, an ecdsa one 33")
    return public


def _parse_any_public(text: str) -> bytes:
    try:
        return decode_address(text).account_id
    except Ss58Error:
        return _parse_public(text)
