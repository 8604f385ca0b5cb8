"""`gateway`: answers the oracle's feeds for one provider, from sources that a file names.

It reads the secrets that the file points at, sets up logs and signals, and must not know how values are
measured or
sent: apps/gateway does.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from random import SystemRandom  # noqa: TID251  # the composition root; the gateway gets its jitter from it

import click
from msgspec import structs

from apps.clock import SystemClock
from apps.gateway.config import load_config
from apps.gateway.errors import ConfigFault
from apps.gateway.example import EXAMPLE
from apps.gateway.faults import parse_fault
from apps.gateway.service import Secrets, check_sources, run_gateway
from apps.gateway.settings import ApiKey, Bearer, HttpSource, Main, MqttSource, Secret
from node.config import ConfigError, UsageError
from node.keystore.files import read_private_text
from node.telemetry.levels import FilterError, LogFilter, parse_filters
from node.telemetry.logs import LogStyle, configure_logs
from runtime.primitives.crypto import Keypair, Scheme
from runtime.primitives.keys import UriError

SCHEMES = {"sr25519": Scheme.SR25519, "ed25519": Scheme.ED25519}
EPILOG = "Faults cost a provider its bond: they are for tests and demonstrations."


@click.command("gateway", epilog=EPILOG)
@click.option(
    "-c", "--config", "path", type=click.Path(path_type=Path), metavar="FILE", help="Configuration (TOML)."
)
@click.option("--example", is_flag=True, help="Print an example of a configuration.")
@click.option(
    "--check-config", is_flag=True, help="Read everything that a start would, and say whether it is right."
)
@click.option("--fault", metavar="KIND", help="Play a fault: lying, dead, flapping or flapping:SECONDS.")
@click.option("-l", "--log", multiple=True, metavar="FILTER", help="Log filter, as that of the node. [info]")
@click.option("--log-format", type=click.Choice(["console", "json"]), default="console", help="[console]")
def gateway(
    *,
    path: Path | None,
    example: bool,
    check_config: bool,
    fault: str | None,
    log: tuple[str, ...],
    log_format: str,
) -> None:
    """Answer the oracle's feeds for one provider, until a signal ends it.

    Sources, feeds, nodes and where secrets are stand in the configuration; a secret itself is never on the
    command line. Exit code 3 if something in the file is wrong.
    """
    if example:
        click.echo(EXAMPLE, nl=False)
        return
    if path is None:
        raise UsageError("--config is missing; loam gateway --example prints one to begin with")
    config = load_config(path)
    if fault is not None:
        config = structs.replace(config, fault=parse_fault(fault))
    secrets = read_secrets(config, None if check_config else _ask)
    if check_config:
        check_sources(config)
        feeds = len({key for source in config.sources.values() for key in source.values})
        click.echo(f"The configuration is right: {len(config.sources)} sources, {feeds} feeds.", err=True)
        return
    _start_logs(log, log_format)
    asyncio.run(_run(config, secrets))


async def _run(config: Main, secrets: Secrets) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await run_gateway(config, secrets, SystemClock(), SystemRandom().random, stop)


def read_secrets(config: Main, ask: Callable[[str], str] | None) -> Secrets:
    """Return the secrets that a configuration points at; without `ask`, one that is prompted for is left out.

    ConfigFault, KeystoreError or UriError when one is missing, open to others, or none.
    """
    place = "provider.account"
    uri = _read(config.provider.account, place, ask)
    if not uri:
        uri = "//prompted"  # for a check, which signs nothing
    try:
        signer = Keypair.from_uri(uri, SCHEMES[config.provider.scheme])
    except UriError as error:
        raise ConfigFault(place, f"no secret URI: {error}") from error
    tokens: dict[str, str] = {}
    for name, source in config.sources.items():
        match source:
            case HttpSource(auth=Bearer(secret=secret) | ApiKey(secret=secret)):
                tokens[name] = _read_header(secret, f"sources.{name}.auth.secret", ask)
            case MqttSource(password=Secret() as secret):
                tokens[name] = _read(secret, f"sources.{name}.password", ask)
            case _:
                pass
    return Secrets(signer, tokens)


def _read_header(secret: Secret, place: str, ask: Callable[[str], str] | None) -> str:
    token = _read(secret, place, ask)
    if not token.isascii() or not token.isprintable():
        raise ConfigFault(place, "is no printable ASCII, which headers have to be")
    return token


def _read(secret: Secret, place: str, ask: Callable[[str], str] | None) -> str:
    if secret.file is not None:
        text = read_private_text(Path(secret.file))
    elif secret.env is not None:
        text = os.environ.get(secret.env, "").strip()
    else:
        return "" if ask is None else ask(place)
    if not text:
        where = secret.file if secret.file is not None else f"the environment variable {secret.env}"
        raise ConfigFault(place, f"{where} is empty or missing")
    return text


def _ask(place: str) -> str:
    return str(click.prompt(place, hide_input=True, err=True)).strip()


def _start_logs(filters: tuple[str, ...], form: str) -> None:
    clock = SystemClock()
    try:
        rules = LogFilter(parse_filters(filters))
    except FilterError as error:
        raise ConfigError(f"--log: {error}") from error
    color = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    style = LogStyle("json" if form == "json" else "console", color=color)
    configure_logs(rules, style, now_ms=clock.now_ms, monotonic=clock.monotonic)
