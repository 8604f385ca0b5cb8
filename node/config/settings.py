"""Every setting of the node: name, type, limits, default.

The name in kebab case is the flag (`--rpc-port`), the key of the configuration file (`rpc-port`) and, as
`LOAM_RPC_PORT`, the environment variable; descriptions.py has the help texts. It must not know where values
come from nor what they do.
"""

import re
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal, NamedTuple, get_args

import msgspec
from msgspec import Meta, Struct
from platformdirs import user_data_dir

from node.config.errors import ConfigError

NAME_LENGTH_MAX = 64
SEAL_INTERVAL_MS_MAX = 600_000
PRUNING_BLOCKS_MAX = 2**32 - 1

DevAccount = Literal["alice", "bob", "charlie", "dave", "eve", "ferdie", "one", "two"]
DEV_ACCOUNTS: tuple[str, ...] = get_args(DevAccount)

# Where nothing else is said, a page on this machine and the public explorer may call the RPC.
CORS_DEFAULT = (
    "http://localhost:*",
    "http://127.0.0.1:*",
    "https://localhost:*",
    "https://127.0.0.1:*",
    "https://polkadot.js.org",
)

PARALLEL_DOWNLOADS_MAX = 64
"""Each may bring 16 MiB."""
BLOCKS_PER_REQUEST_MAX = 128
"""As many as a peer answers with."""

Port = Annotated[int, Meta(ge=0, le=65535)]
Count = Annotated[int, Meta(ge=0, le=1_000_000)]
Positive = Annotated[int, Meta(ge=1, le=1_000_000)]
Mebibytes = Annotated[int, Meta(ge=1, le=1024)]
Kibibytes = Annotated[int, Meta(ge=1, le=64 * 1024 * 1024)]
Seconds = Annotated[int, Meta(ge=0, le=30 * 24 * 3600)]
Texts = Annotated[tuple[str, ...], Meta(max_length=1024)]


class IntervalSeal(NamedTuple):
    """A block every so often; None means the chain's own block time."""

    period_ms: int | None


class InstantSeal(NamedTuple):
    """A block as soon as there is a transaction."""


class ManualSeal(NamedTuple):
    """A block only when the RPC asks for one."""


class TrustedBlock(NamedTuple):
    """A block that the operator vouches for."""

    number: int
    hash: bytes


Seal = IntervalSeal | InstantSeal | ManualSeal


class Config(Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """The settings of one node; values are checked one by one here and against each other in rules.py."""

    # chain and files
    dev: bool = False
    chain: str = "local"
    base_path: str | None = None
    tmp: bool = False
    state_pruning: str = "256"
    state_cache: Annotated[int, Meta(ge=0, le=1 << 20)] = 512
    blocks_pruning: str = "archive-canonical"
    check_state: bool = False

    # role and authoring
    name: str | None = None
    validator: bool = False
    force_authoring: bool = False
    dev_account: DevAccount | None = None
    seal: str = "interval"
    mock_signatures: bool = False
    workers: Annotated[int, Meta(ge=0, le=256)] | None = None
    insecure_validator_i_know_what_i_do: bool = False

    # network
    port: Port = 30333
    listen_addr: Texts = ()
    public_addr: Texts = ()
    bootnodes: Texts = ()
    reserved_nodes: Texts = ()
    reserved_only: bool = False
    out_peers: Count = 8
    in_peers: Count = 32
    no_mdns: bool = False
    discover_local: bool = False
    allow_private_ip: bool = False
    no_private_ip: bool = False
    node_key: str | None = None
    node_key_file: str | None = None
    node_key_type: Literal["ed25519"] = "ed25519"
    unsafe_force_node_key_generation: bool = False
    sync: Literal["full", "fast", "fast-unsafe", "warp"] = "full"
    trusted_block: str | None = None
    max_parallel_downloads: Annotated[int, Meta(ge=1, le=PARALLEL_DOWNLOADS_MAX)] = 5
    max_blocks_per_request: Annotated[int, Meta(ge=1, le=BLOCKS_PER_REQUEST_MAX)] = 64

    # RPC
    rpc_port: Port = 9944
    rpc_external: bool = False
    unsafe_rpc_external: bool = False
    rpc_methods: Literal["auto", "safe", "unsafe"] = "auto"
    rpc_cors: Texts = CORS_DEFAULT
    rpc_allowed_hosts: Texts = ()
    rpc_max_request_size: Mebibytes = 5
    rpc_max_response_size: Mebibytes = 15
    rpc_max_connections: Positive = 100
    rpc_max_connections_per_ip: Positive = 16
    rpc_max_subscriptions_per_connection: Positive = 1024
    rpc_message_buffer_capacity_per_connection: Positive = 64
    rpc_max_batch_request_len: Positive = 100
    rpc_disable_batch_requests: bool = False
    rpc_rate_limit: Positive | None = None
    rpc_rate_limit_whitelisted_ips: Texts = ()
    rpc_rate_limit_trust_proxy_headers: bool = False

    # metrics
    prometheus_port: Port = 9615
    prometheus_external: bool = False
    no_prometheus: bool = False
    no_telemetry: bool = False
    no_hardware_benchmarks: bool = False

    # pool
    pool_limit: Positive = 8192
    pool_kbytes: Kibibytes = 20480
    pool_limit_per_sender: Positive = 64
    tx_ban_seconds: Seconds = 1800

    # keystore
    keystore_path: str | None = None
    keystore_plain: bool = False
    password: str | None = None
    password_interactive: bool = False
    password_filename: str | None = None

    # logs
    log: Texts = ()
    log_format: Literal["console", "json"] = "console"
    disable_log_color: bool = False
    detailed_log_output: bool = False
    enable_log_reloading: bool = False

    def __repr__(self) -> str:
        """Show the settings that differ from the defaults, secrets hidden."""
        defaults = Config()
        shown = (
            f"{name}={'…' if name in SECRETS else repr(value)}"
            for name in self.__struct_fields__
            if (value := getattr(self, name)) != getattr(defaults, name)
        )
        return f"Config({', '.join(shown)})"

    def get_base_path(self) -> Path:
        """Return the directory of all data; the user's data directory unless one is set."""
        if self.base_path is not None:
            return Path(self.base_path)
        return Path(user_data_dir("loam", appauthor=False))

    def get_chain_path(self, chain_id: str) -> Path:
        """Return the directory of one chain: `<base path>/chains/<chain id>`."""
        return self.get_base_path() / "chains" / chain_id

    def get_keystore_path(self, chain_id: str) -> Path:
        """Return the keystore's directory."""
        if self.keystore_path is not None:
            return Path(self.keystore_path)
        return self.get_chain_path(chain_id) / "keystore"

    def get_guard_path(self, chain_id: str) -> Path:
        """Return the file of the signing guard, which outlives the database."""
        return self.get_chain_path(chain_id) / "guard"

    def get_copied_keys_path(self, chain_id: str) -> Path:
        """Return the file of the vote keys that another node was heard to sign with."""
        return self.get_chain_path(chain_id) / "second-copy"

    def get_state_pruning_blocks(self) -> int | None:
        """Return how many finalized blocks keep their state; None means all."""
        return parse_pruning(self.state_pruning)

    def get_trusted_block(self) -> TrustedBlock | None:
        """Return the block that what is fetched from peers must go through, None where none is named."""
        return None if self.trusted_block is None else parse_trusted_block(self.trusted_block)

    def get_seal(self) -> Seal:
        """Return when a lone authority authors."""
        return parse_seal(self.seal)

    def is_rpc_external(self) -> bool:
        """Tell whether the RPC listens on all interfaces."""
        return self.rpc_external or self.unsafe_rpc_external

    def is_unsafe_rpc_allowed(self) -> bool:
        """Tell whether unsafe methods are served: by wish, or because only this machine can call."""
        return self.rpc_methods == "unsafe" or (self.rpc_methods == "auto" and not self.is_rpc_external())


SECRETS = frozenset({"password", "node_key"})

KEYS = MappingProxyType({field.name: field.encode_name for field in msgspec.structs.fields(Config)})


def parse_pruning(text: str) -> int | None:
    """Return the number of blocks kept, or None for an archive; raise ConfigError on anything else."""
    if text in {"archive", "archive-canonical"}:
        return None
    if text.isascii() and text.isdecimal() and 1 <= len(text) <= 10 and 1 <= int(text) <= PRUNING_BLOCKS_MAX:
        return int(text)
    raise ConfigError(
        f"expected a number of blocks from 1 to {PRUNING_BLOCKS_MAX} or archive, got {text[:40]!r}"
    )


def parse_trusted_block(text: str) -> TrustedBlock:
    """Return the block that `NUMBER:HASH` names; raise ConfigError on anything else."""
    number, _, digits = text.partition(":")
    digits = digits.removeprefix("0x")
    is_number = number.isascii() and number.isdecimal() and 1 <= len(number) <= 10
    if is_number and 1 <= int(number) < 2**32 and re.fullmatch("[0-9a-fA-F]{64}", digits):
        return TrustedBlock(int(number), bytes.fromhex(digits))
    raise ConfigError(f"expected NUMBER:HASH with 64 hex digits, got {text[:80]!r}")


def parse_seal(text: str) -> Seal:
    """Return the mode of `interval`, `interval:MS`, `instant` or `manual`; raise ConfigError otherwise."""
    match text.split(":"):
        case ["interval"]:
            return IntervalSeal(None)
        case ["interval", ms] if (
            ms.isascii() and ms.isdecimal() and len(ms) <= 6 and (10 <= int(ms) <= SEAL_INTERVAL_MS_MAX)
        ):
            return IntervalSeal(int(ms))
        case ["instant"]:
            return InstantSeal()
        case ["manual"]:
            return ManualSeal()
        case _:
            modes = f"interval, interval:MS (10 to {SEAL_INTERVAL_MS_MAX}), instant or manual"
            raise ConfigError(f"expected {modes}, got {text[:40]!r}")
