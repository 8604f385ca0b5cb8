"""Starting the node: what the process needs before the service runs, and the service's run.

It must not know what the service does; logs, file limit, name and password are prepared here.
"""

import os
import secrets
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from resource import RLIMIT_NOFILE, getrlimit, setrlimit

import click
import msgspec
import structlog

from node.cli.banner import show_banner
from node.clock import SystemClock
from node.config import Config, Origin, Resolved, UsageError
from node.keystore import read_password
from node.network.multiaddr import MultiaddrError, parse_multiaddr
from node.service import run
from node.telemetry.levels import FilterError, LogFilter, parse_filters
from node.telemetry.logs import LogStyle, configure_logs

OTHERS_READ = stat.S_IRGRP | stat.S_IROTH
OPEN_FILES_WANTED = 65_536
OPEN_FILES_WARNING = 10_000
ADJECTIVES = ("amber", "brave", "calm", "eager", "fair", "gentle", "happy", "keen", "lucky", "mild", "noble")
NOUNS = ("acorn", "birch", "cedar", "dune", "elm", "fern", "grove", "heath", "iris", "jade", "larch", "pine")
log = structlog.get_logger("loam")


def check_settings(config: Config) -> None:
    """Raise UsageError at a setting whose text only other parts of the node can read: addresses, log
    filters.
    """
    for name in ("listen_addr", "public_addr", "bootnodes", "reserved_nodes"):
        for text in getattr(config, name):
            try:
                address = parse_multiaddr(text)
            except MultiaddrError as error:
                raise UsageError(f"--{name.replace('_', '-')}: {error}, got {text[:80]!r}") from error
            if name in {"bootnodes", "reserved_nodes"} and address.peer is None:
                raise UsageError(
                    f"--{name.replace('_', '-')}: expected /p2p/PEER at the end of {text[:80]!r}"
                )
    try:
        parse_filters(config.log)
    except FilterError as error:
        raise UsageError(f"--log: {error}") from error


def start(resolved: Resolved) -> int:
    """Run the node until it is stopped; return its exit code."""
    config, origins = resolved
    check_settings(config)
    log_filter = start_logs(config)
    warn_of_open_secrets(config, origins)
    raise_file_limit()
    config = read_secrets(name_node(config))
    reloadable = log_filter if config.enable_log_reloading else None
    return run(config, lambda ready: show_banner(ready, config), reloadable)


def warn_of_open_secrets(config: Config, origins: Mapping[str, Origin]) -> None:
    """Say where a secret lies open to the machine's other users."""
    for name in ("password", "node_key"):
        if origins[name].kind == "flag":
            log.warning("secret_on_command_line", flag=str(origins[name]), reason="other users can see it")
    path = None if config.password_filename is None else Path(config.password_filename)
    if path is not None and path.is_file() and path.stat().st_mode & OTHERS_READ:
        log.warning("secret_file_open_to_others", path=str(path), mend=f"chmod 600 {path}")


def start_logs(config: Config) -> LogFilter:
    """Set up logging on standard error as the settings say; return the rules of what is shown."""
    clock = SystemClock()
    log_filter = LogFilter(parse_filters(config.log))
    color = sys.stderr.isatty() and not config.disable_log_color and not os.environ.get("NO_COLOR")
    configure_logs(
        log_filter,
        LogStyle(config.log_format, color=color, detailed=config.detailed_log_output),
        now_ms=clock.now_ms,
        monotonic=clock.monotonic,
        reloadable=config.enable_log_reloading,
    )
    return log_filter


def read_secrets(config: Config) -> Config:
    """Return the configuration with the keystore's password in it, asked for or read from its file."""
    password = read_password(
        config, lambda: str(click.prompt("Keystore password", hide_input=True, err=True))
    )
    return msgspec.structs.replace(
        config, password=password, password_interactive=False, password_filename=None
    )


def raise_file_limit() -> None:
    """Raise the soft limit of open files as far as allowed; say so where it stays low."""
    soft, hard = getrlimit(RLIMIT_NOFILE)
    wanted = OPEN_FILES_WANTED if hard < 0 else min(OPEN_FILES_WANTED, hard)
    if 0 <= soft < wanted:
        try:
            setrlimit(RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError):
            wanted = soft
    if 0 <= soft < OPEN_FILES_WARNING and wanted < OPEN_FILES_WARNING:
        log.warning("few_open_files_allowed", limit=wanted, recommended=OPEN_FILES_WARNING)


def name_node(config: Config) -> Config:
    """Return the configuration with a name: the one given, or two words and a number."""
    if config.name is not None:
        return config
    name = f"{secrets.choice(ADJECTIVES)}-{secrets.choice(NOUNS)}-{secrets.randbelow(10_000):04}"
    return msgspec.structs.replace(config, name=name)
