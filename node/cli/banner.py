"""What a started node shows once: where it is reached and, on development chains, the accounts to play
with.

It must not start anything: it reads what the service tells. Labels are Substrate's where scripts look for
them.
"""

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import structlog
from rich.console import Console
from rich.text import Text

from genesis.chain_spec import ChainSpec
from node import __version__
from node.config import Config
from node.service import Ready
from runtime.primitives.ss58 import encode_address

EXPLORER_URL = "https://polkadot.js.org/apps/?rpc=ws://127.0.0.1:{port}"
SS58_PREFIX_DEFAULT = 42
WIDTH_UNSEEN = 200
"""The width of a file or a pipe, where nothing is folded."""
SCHEME_WIDTH = len("sr25519")
WARNING = "Everybody knows these keys. Never send anything of value to these accounts."

log = structlog.get_logger("loam")


def show_banner(ready: Ready, config: Config, console: Console | None = None) -> None:
    """Print endpoints and accounts for people, or one log record where logs are JSON."""
    lines = describe_node(ready, config)
    if config.log_format == "json":
        log.info("node_started", **{name_field(label): value for label, value in lines.items()})
        return
    console = console or make_console(config)
    accounts = list_accounts(ready.spec)
    shown = [Text(f"Loam {__version__}", style="bold"), *lay_out_node(lines, console.width)]
    if accounts:
        shown += [*lay_out_accounts(accounts, console.width), Text(WARNING, style="bold red")]
    for line in shown:
        console.print(line, soft_wrap=True)


def make_console(config: Config) -> Console:
    """Return a console on standard error, without colours where the operator or the stream wants none."""
    console = Console(
        file=sys.stderr, no_color=config.disable_log_color or None, highlight=False, emoji=False
    )
    if not console.is_terminal:
        console.width = WIDTH_UNSEEN
    return console


def describe_node(ready: Ready, config: Config) -> dict[str, str]:
    """Return the banner's labels and values, in order."""
    host = "0.0.0.0" if config.is_rpc_external() else "127.0.0.1"  # noqa: S104 (what the operator asked for)
    lines = {
        "Chain specification": f"{ready.spec.name} ({ready.spec.id})",
        "Genesis hash": f"0x{ready.genesis_hash.hex()}",
        "Node name": config.name or "",
        "Role": "AUTHORITY" if ready.is_authority else "FULL",
        "Highest known block": f"#{ready.best_number}",
        "Database": str(ready.base_path / "chains" / ready.spec.id / "db"),
    }
    if ready.peer_id:
        lines["Local node identity is"] = ready.peer_id
    lines["JSON-RPC server"] = f"http://{host}:{ready.rpc_port}  ws://{host}:{ready.rpc_port}"
    lines["Allowed origins"] = ", ".join(config.rpc_cors) or "none"
    if ready.metrics_port is not None:
        lines["Prometheus exporter"] = f"http://127.0.0.1:{ready.metrics_port}/metrics"
    lines["Explorer"] = EXPLORER_URL.format(port=ready.rpc_port)
    return lines


class ShownAccount(NamedTuple):
    """An account whose keys are public; `balance` is empty where the specification does not tell it."""

    uri: str
    scheme: str
    address: str
    balance: str


def list_accounts(spec: ChainSpec) -> list[ShownAccount]:
    """Return every account whose keys are public; none on live chains."""
    prefix = spec.properties.get("ss58Format")
    prefix = prefix if isinstance(prefix, int) else SS58_PREFIX_DEFAULT
    balances = read_balances(spec)
    rows = []
    for account in spec.dev_accounts():
        address = encode_address(account.account_id, prefix)
        rows.append(
            ShownAccount(account.uri, account.scheme.name.lower(), address, balances.get(address, ""))
        )
    return rows


def read_balances(spec: ChainSpec) -> dict[str, str]:
    """Return the genesis balances of a plain spec by address, in whole tokens; a raw spec shows none."""
    decimals, symbol = spec.properties.get("tokenDecimals"), spec.properties.get("tokenSymbol")
    listed = ((spec.config or {}).get("balances") or {}).get("balances") or []
    unit = 10**decimals if isinstance(decimals, int) and 0 <= decimals <= 36 else 1
    name = f" {symbol}" if isinstance(symbol, str) else ""
    return {address: f"{int(amount) // unit:,}{name}" for address, amount in listed}


def lay_out_node(lines: Mapping[str, str], width: int) -> Iterator[Text]:
    """Yield labels and values beside each other, or below where that is too wide."""
    label_width = max(map(len, lines))
    for label, value in lines.items():
        is_beside = 4 + label_width + len(value) <= width
        gap = " " * (2 + label_width - len(label)) if is_beside else "\n    "
        yield Text(f"  {label}{gap}").append(value, style="cyan")


def lay_out_accounts(accounts: Sequence[ShownAccount], width: int) -> Iterator[Text]:
    """Yield a table of the accounts, or two lines for each, so that a terminal cuts no address in two."""
    balances = {account.balance for account in accounts}
    is_same = len(balances) == 1
    heading = f"Funded accounts, {balances.pop()} each" if is_same and "" not in balances else "Accounts"
    uri_width = max(len(account.uri) for account in accounts)
    yield Text(f"  {heading}", style="bold")
    for uri, scheme, address, balance in accounts:
        amount = "" if is_same else f"  {balance}"
        row = f"  {uri:<{uri_width}}  {scheme:<{SCHEME_WIDTH}}  {address}{amount}"
        yield Text(row if len(row) <= width else f"  {uri}  {scheme}{amount}\n    {address}")


def name_field(label: str) -> str:
    """Return the key of a banner line in a log record."""
    return re.sub("[^a-z]+", "_", label.lower())
