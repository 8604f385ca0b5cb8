"""How keys are shown: Substrate's text layout and JSON fields, which scripts read.

It must not read secrets from anywhere; it is handed keys.
"""

from collections.abc import Mapping
from typing import NamedTuple

import click
import orjson

from node.config import UsageError
from runtime.primitives.crypto import Keypair, Scheme, get_account_id
from runtime.primitives.ss58 import Ss58Error, encode_address

# The names of the public registry that a user of these chains may type; others go by number.
NETWORKS = {"substrate": 42, "polkadot": 0, "kusama": 2}
NOT_AVAILABLE = "n/a"


class Network(NamedTuple):
    """The SS58 prefix of a network."""

    prefix: int

    def __str__(self) -> str:
        names = {prefix: name for name, prefix in NETWORKS.items()}
        return names.get(self.prefix, str(self.prefix))


def parse_network(text: str) -> Network:
    """Return the network of a name or number; raises UsageError."""
    prefix = NETWORKS.get(
        text.lower(), int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else -1
    )
    try:
        encode_address(bytes(32), prefix)
    except Ss58Error as error:
        names = ", ".join(NETWORKS)
        raise UsageError(f"--network: expected {names} or an SS58 prefix, got {text[:40]!r}") from error
    return Network(prefix)


def describe_secret(text: str, pair: Keypair, seed: bytes | None, network: Network) -> dict[str, str]:
    """Return the fields of a secret: a bare phrase is shown as such, anything else as a key URI.

    `seed` is the seed of the pair, None where no seed has its key.
    """
    is_phrase = "/" not in text and not text.startswith("0x")
    head = {"secretPhrase" if is_phrase else "secretKeyUri": text}
    return {
        **head,
        "networkId": str(network),
        "secretSeed": NOT_AVAILABLE if seed is None else f"0x{seed.hex()}",
        **_describe_key(pair.public, pair.scheme, network),
    }


def describe_public(public: bytes, network: Network, uri: str | None = None) -> dict[str, str]:
    """Return the fields of a public key, 33 bytes for an ecdsa one; `uri` is the address it was given as."""
    head = {} if uri is None else {"publicKeyUri": uri}
    scheme = Scheme.ECDSA if len(public) == 33 else Scheme.SR25519
    return {**head, "networkId": str(network), **_describe_key(public, scheme, network)}


def print_key(fields: Mapping[str, str], output_type: str) -> None:
    """Print the fields as JSON or as text."""
    if output_type.lower() == "json":
        click.echo(orjson.dumps(fields, option=orjson.OPT_INDENT_2))
        return
    for line in render_text(fields):
        click.echo(line)


def render_text(fields: Mapping[str, str]) -> list[str]:
    """Return the lines of Substrate's text layout."""
    is_secret = "secretSeed" in fields
    if "secretPhrase" in fields:
        lines = [f"Secret phrase:       {fields['secretPhrase']}"]
    elif "secretKeyUri" in fields:
        lines = [f"Secret Key URI `{fields['secretKeyUri']}` is account:"]
    elif "publicKeyUri" in fields:
        lines = [f"Public Key URI `{fields['publicKeyUri']}` is account:"]
    else:
        lines = []
    labels = {
        "networkId": "Network ID:" if is_secret else "Network ID/Version:",
        "secretSeed": "Secret seed:",
        "publicKey": "Public key (hex):",
        "accountId": "Account ID:",
        "ss58PublicKey": "Public key (SS58):",
        "ss58Address": "SS58 Address:",
    }
    width = 18 if is_secret else 19
    lines += [f"  {label:<{width}} {fields[name]}" for name, label in labels.items() if name in fields]
    return lines


def _describe_key(public: bytes, scheme: Scheme, network: Network) -> dict[str, str]:
    account_id = get_account_id(scheme, public)
    address = encode_address(account_id, network.prefix)
    return {
        "publicKey": f"0x{public.hex()}",
        "ss58PublicKey": address if len(public) == 32 else NOT_AVAILABLE,
        "accountId": f"0x{account_id.hex()}",
        "ss58Address": address,
    }
