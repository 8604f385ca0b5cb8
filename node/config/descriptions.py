"""What `--help` says of each setting; a test demands one entry for every field of `Config`.

It must not know types, limits or defaults: settings.py has them.
"""

from types import MappingProxyType
from typing import NamedTuple


class Setting(NamedTuple):
    """How one setting is shown: its section, its help text, and what stands for its value."""

    section: str
    help: str
    metavar: str | None = None
    short: str | None = None


NETWORK = "Network"

_SETTINGS = {
    # Chain
    "dev": Setting(
        "Chain", "Development chain: Alice as authority, open RPC, nothing kept on disk unless --base-path."
    ),
    "chain": Setting(
        "Chain", "Built-in chain (dev, local, consortium) or a chain specification file.", "NAME|FILE"
    ),
    "base_path": Setting("Chain", "Directory of all the node's data.", "DIR", "-d"),
    "tmp": Setting("Chain", "Use a temporary base path, removed at exit."),
    "state_pruning": Setting(
        "Chain", "Blocks whose state is kept: a number, or archive. Fixed when the database is made.", "N"
    ),
    "state_cache": Setting("Chain", "Memory for values of the state, filled as far as they need it.", "MIB"),
    "blocks_pruning": Setting("Chain", "Blocks whose body is kept. No effect yet: all are.", "N"),
    "check_state": Setting("Chain", "Check every pallet's stored data after every block; slow."),
    # Role
    "name": Setting("Role", "Human-readable node name; random by default.", "NAME"),
    "validator": Setting("Role", "Take part in authoring and finality with the keys of the keystore."),
    "force_authoring": Setting("Role", "Author even without peers; always so in this release."),
    "dev_account": Setting("Role", "Named development account whose keys, name and role to take."),
    "seal": Setting("Role", "When a lone authority authors: interval[:MS], instant, or manual.", "MODE"),
    "mock_signatures": Setting(
        "Role", "Accept the mock signature 0xdeadbeef… for any account; development chains only."
    ),
    "workers": Setting("Role", "Processes that check signatures; by default one for each CPU.", "N"),
    "insecure_validator_i_know_what_i_do": Setting(
        "Role", "Validate with keys that other users of the machine can read, as tools for tests make them."
    ),
    # Network
    "port": Setting(NETWORK, "TCP port for peers.", "PORT"),
    "listen_addr": Setting(NETWORK, "Multiaddress to listen on.", "ADDR"),
    "public_addr": Setting(NETWORK, "Multiaddress told to other peers.", "ADDR"),
    "bootnodes": Setting(NETWORK, "Peers to dial first.", "ADDR"),
    "reserved_nodes": Setting(NETWORK, "Peers to stay connected to.", "ADDR"),
    "reserved_only": Setting(NETWORK, "Talk to reserved nodes only."),
    "out_peers": Setting(NETWORK, "Outgoing connections to keep.", "N"),
    "in_peers": Setting(NETWORK, "Incoming connections to accept.", "N"),
    "no_mdns": Setting(NETWORK, "Accepted and ignored: there is no mDNS."),
    "discover_local": Setting(
        NETWORK, "Accepted and ignored: peers on private addresses are found unless --no-private-ip."
    ),
    "allow_private_ip": Setting(NETWORK, "Dial private addresses, which is the default."),
    "no_private_ip": Setting(NETWORK, "Never dial private addresses."),
    "node_key": Setting(NETWORK, "Secret key of the network identity, 64 hex digits.", "HEX"),
    "node_key_file": Setting(NETWORK, "File with the secret key of the network identity.", "FILE"),
    "node_key_type": Setting(NETWORK, "Kind of the network key."),
    "unsafe_force_node_key_generation": Setting(NETWORK, "Let a validator start with a fresh network key."),
    "sync": Setting(
        NETWORK,
        "How a new node catches up: full executes every block; warp, and fast as the same thing, fetches the"
        " state of a recent final block with proofs.",
    ),
    "trusted_block": Setting(
        NETWORK,
        "With --sync warp: a block that announced authorities, which the proof must go through; chain-info"
        " shows the last one.",
        "NUMBER:HASH",
    ),
    "max_parallel_downloads": Setting(NETWORK, "Peers asked for blocks at once while catching up.", "N"),
    "max_blocks_per_request": Setting(NETWORK, "Blocks asked for in one request while catching up.", "N"),
    # RPC
    "rpc_port": Setting("RPC", "Port for HTTP and WebSocket; 0 chooses a free one.", "PORT"),
    "rpc_external": Setting("RPC", "Listen on all interfaces; refused for validators."),
    "unsafe_rpc_external": Setting("RPC", "Listen on all interfaces, validator or not."),
    "rpc_methods": Setting("RPC", "Methods served; auto serves unsafe ones to this machine only."),
    "rpc_cors": Setting("RPC", "Browser origins that may call, comma-separated; all, or none.", "ORIGINS"),
    "rpc_allowed_hosts": Setting(
        "RPC", "Host headers accepted besides this machine's own; all for any.", "HOSTS"
    ),
    "rpc_max_request_size": Setting("RPC", "Largest request, MiB.", "MIB"),
    "rpc_max_response_size": Setting("RPC", "Largest response, MiB.", "MIB"),
    "rpc_max_connections": Setting("RPC", "Connections at once.", "N"),
    "rpc_max_connections_per_ip": Setting("RPC", "Connections at once from one foreign address.", "N"),
    "rpc_max_subscriptions_per_connection": Setting("RPC", "Subscriptions of one connection.", "N"),
    "rpc_message_buffer_capacity_per_connection": Setting(
        "RPC", "Messages waiting for a slow reader before it is closed.", "N"
    ),
    "rpc_max_batch_request_len": Setting("RPC", "Calls in one batch.", "N"),
    "rpc_disable_batch_requests": Setting("RPC", "Refuse batches."),
    "rpc_rate_limit": Setting("RPC", "Calls per minute from one address; off by default.", "N"),
    "rpc_rate_limit_whitelisted_ips": Setting("RPC", "Networks without rate limit, in CIDR form.", "NETS"),
    "rpc_rate_limit_trust_proxy_headers": Setting("RPC", "Take the caller's address from X-Forwarded-For."),
    # Metrics
    "prometheus_port": Setting("Metrics", "Port of the Prometheus exporter.", "PORT"),
    "prometheus_external": Setting("Metrics", "Listen on all interfaces."),
    "no_prometheus": Setting("Metrics", "No Prometheus exporter."),
    "no_telemetry": Setting("Metrics", "Accepted and ignored: nothing is ever sent anywhere."),
    "no_hardware_benchmarks": Setting("Metrics", "Accepted and ignored."),
    # Pool
    "pool_limit": Setting("Pool", "Transactions held.", "N"),
    "pool_kbytes": Setting("Pool", "Kilobytes of transactions held.", "KIB"),
    "pool_limit_per_sender": Setting("Pool", "Transactions held of one sender.", "N"),
    "tx_ban_seconds": Setting("Pool", "How long an invalid transaction is refused.", "SECS"),
    # Keystore
    "keystore_path": Setting("Keystore", "Directory of the keystore.", "DIR"),
    "keystore_plain": Setting(
        "Keystore", "Write keys in Substrate's plain format, unencrypted; implied by --dev."
    ),
    "password": Setting(
        "Keystore",
        "Password of the keystore; in key commands, of the secret. Others can see it on the command line.",
        "TEXT",
    ),
    "password_interactive": Setting("Keystore", "Ask for the password."),
    "password_filename": Setting("Keystore", "File with the password.", "FILE"),
    # Logs
    "log": Setting(
        "Logs",
        "Log filter: LEVEL or TARGET=LEVEL, comma-separated; off, error, warn, info, debug or trace.",
        "FILTER",
        "-l",
    ),
    "log_format": Setting("Logs", "Form of the log lines."),
    "disable_log_color": Setting("Logs", "No colours."),
    "detailed_log_output": Setting("Logs", "Show level and target on each console line."),
    "enable_log_reloading": Setting("Logs", "Let the RPC change log filters."),
}
SETTINGS = MappingProxyType(_SETTINGS)
