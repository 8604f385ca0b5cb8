"""What a started node shows once: where it is reached and, on development chains, the accounts to play
with.

It must not start anything: it reads what the service tells. Labels are Substrate's where scripts look for
them.
"""

import sys

import structlog
from rich.console import Console
from rich.table import Table
from rich.text import Text

from genesis.chain_spec import ChainSpec
from node import __version__
from node.config import Config
from node.service import Ready
from runtime.primitives.ss58 import encode_address

EXPLORER_URL = "https://polkadot.js.org/apps/?rpc=ws://127.0.0.1:{port}"
SS58_PREFIX_DEFAULT = 42
WIDTH_MIN = 110
WARNING = "Everybody knows these keys. Never send anything of value to these accounts."

log = structlog.get_logger("loam")


def show_banner(ready: Ready, config: Config, console: Console | None = None) -> None:
    """Print endpoints and accounts for people, or one log record where logs are JSON."""
    lines = describe_node(ready, config)
    if config.log_format == "json":
        log.info("node_started", **{label.lower().replace(" ", "_"): value for label, value in lines.items()})
        return
    console = console or make_console(config)
    console.print(Text(f"Loam {__version__}", style="bold"))
    width = max(map(len, lines))
    for label, value in lines.items():
        console.print(Text(f"  {label:<{width}}  ").append(value, style="cyan"), soft_wrap=True)
    rows = list_accounts(ready.spec)
    if rows:
        console.print(make_account_table(rows))
        console.print(Text(WARNING, style="bold red"))


def make_console(config: Config) -> Console:
    """Return a console on standard error, without colours where the operator or the stream wants none."""
    console = Console(
        file=sys.stderr, no_color=config.disable_log_color or None, highlight=False, emoji=False
    )
    # A narrow terminal wraps lines itself; cut addresses and secrets would be of no use.
    console.width = max(console.width, WIDTH_MIN)
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


def list_accounts(spec: ChainSpec) -> list[tuple[str, str, str, str]]:
    """Return secret URI, scheme, address and balance of every account whose keys are public; none on live
    chains.
    """
    prefix = spec.properties.get("ss58Format")
    prefix = prefix if isinstance(prefix, int) else SS58_PREFIX_DEFAULT
    balances = read_balances(spec)
    rows = []
    for account in spec.dev_accounts():
        address = encode_address(account.account_id, prefix)
        rows.append((account.uri, account.scheme.name.lower(), address, balances.get(address, "")))
    return rows


def read_balances(spec: ChainSpec) -> dict[str, str]:
    """Return the genesis balances of a plain spec by address, in whole tokens; a raw spec shows none."""
    decimals, symbol = spec.properties.get("tokenDecimals"), spec.properties.get("tokenSymbol")
    listed = ((spec.config or {}).get("balances") or {}).get("balances") or []
    unit = 10**decimals if isinstance(decimals, int) and 0 <= decimals <= 36 else 1
    name = f" {symbol}" if isinstance(symbol, str) else ""
    return {address: f"{int(amount) // unit:,}{name}" for address, amount in listed}


def make_account_table(rows: list[tuple[str, str, str, str]]) -> Table:
    """Return the table of accounts."""
    table = Table(box=None, header_style="bold", pad_edge=True)
    for title in ("Secret URI", "Scheme", "Address", "Balance"):
        table.add_column(
            title, no_wrap=True, overflow="ignore", justify="right" if title == "Balance" else "left"
        )
    for row in rows:
        table.add_row(*map(Text, row))
    return table
