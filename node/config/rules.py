"""Rules across settings: what implies what, and what the node refuses.

The refusals are Substrate's: two names for one thing, a validator that the world can call, a name that looks
like an address. This module must not know where values come from; `fail` makes the error that names it.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable

from node.config.errors import ConfigError, OperatorError
from node.config.settings import NAME_LENGTH_MAX, Config, parse_pruning, parse_seal, parse_trusted_block

Fail = Callable[[str, Iterable[str]], OperatorError]

# At most one of each group may be given.
EXCLUSIVE = (
    ("tmp", "base_path"),
    ("node_key", "node_key_file"),
    ("password", "password_interactive", "password_filename"),
    ("allow_private_ip", "no_private_ip"),
)
NODE_KEY_HEX = re.compile(r"(0x)?[0-9a-fA-F]{64}")
PASSWORD_BYTES_MAX = 1024


def check_rules(config: Config, given: frozenset[str], fail: Fail) -> None:
    """Raise the error of the first rule that the given settings break."""
    for group in EXCLUSIVE:
        chosen = [name for name in group if name in given and getattr(config, name) not in (None, False)]
        if len(chosen) > 1:
            raise fail("give only one of these", chosen)
    _check_parsed(config, fail)
    if config.name is not None and (fault := find_name_fault(config.name)):
        raise fail(f"a node name {fault}", ["name"])
    if config.node_key is not None and not NODE_KEY_HEX.fullmatch(config.node_key):
        raise fail("expected 64 hex digits", ["node_key"])
    if config.password is not None and not 1 <= len(config.password.encode()) <= PASSWORD_BYTES_MAX:
        raise fail(f"expected a password of 1 to {PASSWORD_BYTES_MAX} bytes", ["password"])
    if (
        config.rpc_external
        and config.validator
        and config.rpc_methods != "unsafe"
        and not config.unsafe_rpc_external
    ):
        raise fail(
            "a validator does not offer its RPC to the world; if it must, say --unsafe-rpc-external,"
            " or --rpc-methods unsafe",
            ["rpc_external", "validator"],
        )
    if config.trusted_block is not None and config.sync == "full":
        raise fail("only a state from peers goes through a trusted block: add --sync warp", ["trusted_block"])
    if config.mock_signatures and not (config.dev or config.chain == "dev"):
        raise fail("mock signatures are for development chains only: add --dev", ["mock_signatures"])
    for network in config.rpc_rate_limit_whitelisted_ips:
        _check_network(network, fail)


def list_implied(config: Config, given: frozenset[str]) -> dict[str, tuple[object, str]]:
    """Return what `--dev` and the named accounts imply where nothing was given, with the reason."""
    implied: dict[str, tuple[object, str]] = {}
    if config.dev:
        implied = {
            "chain": ("dev", "--dev"),
            "dev_account": ("alice", "--dev"),
            "validator": (True, "--dev"),
            "force_authoring": (True, "--dev"),
            "rpc_cors": (("all",), "--dev"),
            "keystore_plain": (True, "--dev"),
        }
        if config.base_path is None:
            implied["tmp"] = (True, "--dev")
    account = config.dev_account or ("alice" if config.dev else None)
    if account is not None:
        reason = f"--{account}" if config.dev_account else "--dev"
        implied["name"] = (account.capitalize(), reason)
        implied.setdefault("validator", (True, reason))
    return {name: value for name, value in implied.items() if name not in given}


def find_name_fault(name: str) -> str | None:
    """Return what is wrong with a node name, or None; the rules are Substrate's."""
    if not name.strip():
        return "is not empty"
    if len(name) >= NAME_LENGTH_MAX:
        return f"has fewer than {NAME_LENGTH_MAX} characters"
    if "." in name or "@" in name:
        return "has no . and no @"
    if re.search(r"https?:|www", name, re.IGNORECASE):
        return "is not an address"
    if not name.isprintable():
        return "has only printable characters"
    return None


def _check_parsed(config: Config, fail: Fail) -> None:
    parsers: tuple[tuple[str, Callable[[str], object]], ...] = (
        ("seal", parse_seal),
        ("state_pruning", parse_pruning),
        ("blocks_pruning", parse_pruning),
        ("trusted_block", parse_trusted_block),
    )
    for name, parse in parsers:
        text = getattr(config, name)
        if text is None:
            continue
        try:
            parse(text)
        except ConfigError as error:
            raise fail(str(error), [name]) from error


def _check_network(text: str, fail: Fail) -> None:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise fail(
            f"expected a network such as 10.0.0.0/8, got {text[:40]!r}", ["rpc_rate_limit_whitelisted_ips"]
        ) from error
