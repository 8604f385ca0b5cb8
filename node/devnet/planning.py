"""The plan of a devnet: for each node its name, keys, ports, folder and command line.

Responsible for what is fixed before anything starts. Node keys follow from the names, so that a devnet that
is started again has the peer ids it had. It must not start anything.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from node.config.settings import DEV_ACCOUNTS, Config
from node.consensus.guard import encode_unused
from node.devnet.chains import NetworkChain
from node.devnet.ports import Ports
from node.devnet.records import NodeRecord, Role
from node.keystore import Keystore
from node.keystore.files import ensure_private_directory, write_private_file
from node.network.identity import compute_peer_id
from node.storage.guard import GuardFile
from runtime.primitives.crypto import Keypair, Scheme
from runtime.primitives.hashing import blake2_256

FULL_NAME: Final = "Observer"
FULL_MAX: Final = 32
NODE_KEY_FILE: Final = "node-key"
VOTE_KEY_TYPE: Final = "gran"
DATABASE: Final = "db"
DEFAULTS: Final = Config()


class NodeWish(NamedTuple):
    """A node that shall be there."""

    name: str
    role: Role


class FirstPorts(NamedTuple):
    """Ports that the first node must have, None where it may take any; the other nodes' are above them."""

    port: int | None = None
    rpc_port: int | None = None
    prometheus_port: int | None = None


class _Planned(NamedTuple):
    name: str
    role: Role
    key: Keypair
    seed: bytes
    port: int
    rpc_port: int
    metrics_port: int

    @property
    def address(self) -> str:
        return f"/ip4/127.0.0.1/tcp/{self.port}/ws/p2p/{compute_peer_id(self.key.public)}"


def list_wishes(chain: NetworkChain, full: int) -> tuple[NodeWish, ...]:
    """Return the validators of a chain and a number of full nodes."""
    validators = (NodeWish(name, "validator") for name in chain.authorities)
    observers = (NodeWish(f"{FULL_NAME}{number}", "full") for number in range(1, full + 1))
    return (*validators, *observers)


def plan_nodes(
    wishes: Sequence[NodeWish],
    chain: NetworkChain,
    base: Path,
    ports: Ports,
    first: FirstPorts,
    extra: Sequence[str] = (),
) -> tuple[NodeRecord, ...]:
    """Return the nodes' records and write their keys; StartError when no port is to be had.

    `extra` stands at the end of every command line.
    """
    planned = [_plan_node(number, wish, ports, first) for number, wish in enumerate(wishes)]
    argument = chain.get_argument(base)
    records = []
    for node in planned:
        folder = base / node.name.lower()
        key_file = _write_keys(node, folder, chain.spec.id)
        arguments = ["--chain", argument, "--name", node.name, "--base-path", str(folder)]
        arguments += ["--listen-addr", f"/ip4/127.0.0.1/tcp/{node.port}/ws"]
        arguments += ["--rpc-port", str(node.rpc_port), "--prometheus-port", str(node.metrics_port)]
        arguments += ["--node-key-file", str(key_file), "--keystore-plain"]
        if node.role == "validator":
            arguments.append(f"--{node.name.lower()}" if is_dev_name(node.name) else "--validator")
        for other in planned:
            if other is not node:
                arguments += ["--bootnodes", other.address]
        records.append(
            NodeRecord(
                name=node.name,
                role=node.role,
                peer_id=compute_peer_id(node.key.public),
                port=node.port,
                rpc_port=node.rpc_port,
                metrics_port=node.metrics_port,
                log=str(base / f"{node.name.lower()}.log"),
                arguments=(*arguments, *extra),
            )
        )
    return tuple(records)


def is_dev_name(name: str) -> bool:
    """Tell whether the node program has a flag for the account of this name."""
    return name.lower() in DEV_ACCOUNTS and name == name.capitalize() and name not in {"One", "Two"}


def _plan_node(number: int, wish: NodeWish, ports: Ports, first: FirstPorts) -> _Planned:
    is_first = number == 0

    def choose(given: int | None, default: int, flag: str) -> int:
        if is_first and given is not None:
            return ports.claim(given, flag)
        return ports.find((default if given is None else given) + number)

    seed = blake2_256(b"loam devnet " + wish.name.encode())
    return _Planned(
        wish.name,
        wish.role,
        Keypair.from_seed(seed, Scheme.ED25519),
        seed,
        choose(first.port, DEFAULTS.port, "--port"),
        choose(first.rpc_port, DEFAULTS.rpc_port, "--rpc-port"),
        choose(first.prometheus_port, DEFAULTS.prometheus_port, "--prometheus-port"),
    )


def _write_keys(node: _Planned, folder: Path, chain_id: str) -> Path:
    """Write the network key and what an authority needs; return the network key's file."""
    ensure_private_directory(folder)
    path = folder / NODE_KEY_FILE
    if not path.exists():
        write_private_file(path, node.seed.hex().encode())
    if node.role == "validator":
        _prepare_authority(node.name, Config(base_path=str(folder)), chain_id)
    return path


def _prepare_authority(name: str, config: Config, chain_id: str) -> None:
    """Write the vote key where no flag names it, and the guard of a key that has signed nothing.

    Without a guard a node that begins after the others would only watch at first: it cannot know what the
    devnet knows, that nobody has used the key on this chain.
    """
    chain_path = config.get_chain_path(chain_id)
    uri = f"//{name}"
    public = Keypair.from_uri(uri, Scheme.ED25519).public
    if not is_dev_name(name):
        keystore = Keystore(config.get_keystore_path(chain_id), plain=True)
        if not keystore.has_key(VOTE_KEY_TYPE, public):
            keystore.insert(VOTE_KEY_TYPE, uri, Scheme.ED25519)
    guard = config.get_guard_path(chain_id)
    if not guard.exists() and not (chain_path / DATABASE).exists():
        chain_path.mkdir(parents=True, exist_ok=True)
        GuardFile(guard).store(encode_unused(public))
