"""The chain and the plan of a devnet: authorities with known keys, endpoints, command lines, keys on disk."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from genesis.chain_spec import load_spec, make_local_spec
from genesis.config import SpecError
from node.config import ConfigError, StartError, UsageError
from node.consensus.guard import MaySign, judge
from node.devnet.chains import AUTHORITY_NAMES, VALIDATORS_MAX, make_chain, read_chain
from node.devnet.launching import Wishes, choose_chain
from node.devnet.manifest import parse_manifest
from node.devnet.planning import FULL_MAX, FirstPorts, list_wishes, plan_nodes
from node.devnet.ports import Ports
from node.devnet.records import NODES_MAX, NodeRecord
from node.driver.signer import GuardedSigner
from node.keystore import Keystore, parse_node_key
from node.network.identity import compute_peer_id
from node.network.multiaddr import parse_multiaddr
from node.storage.guard import GuardFile
from runtime.primitives.crypto import Keypair, Scheme
from runtime.primitives.statements import Position
from runtime.primitives.types import Hash


def plan(base: Path, names: tuple[str, ...], full: int = 0, **given: Any) -> tuple[NodeRecord, ...]:
    chain = make_chain(names)
    ports = given.pop("ports", Ports(lambda _: True))
    return plan_nodes(list_wishes(chain, full), chain, base, ports, FirstPorts(**given), ("--log", "debug"))


def write_spec(path: Path, spec: dict[str, Any]) -> str:
    path.write_bytes(orjson.dumps(spec))
    return str(path)


def get_option(node: NodeRecord, flag: str) -> str:
    return node.arguments[node.arguments.index(flag) + 1]


def test_first_node_has_the_usual_ports_and_the_others_those_above(tmp_path: Path) -> None:
    nodes = plan(tmp_path, AUTHORITY_NAMES[:4], full=1)
    assert [node.name for node in nodes] == ["Alice", "Bob", "Charlie", "Dave", "Observer1"]
    assert [node.role for node in nodes] == ["validator"] * 4 + ["full"]
    assert [(n.port, n.rpc_port, n.metrics_port) for n in nodes[:2]] == [
        (30333, 9944, 9615),
        (30334, 9945, 9616),
    ]
    assert nodes[0].rpc_url == "ws://127.0.0.1:9944"
    assert nodes[0].metrics_url == "http://127.0.0.1:9615/metrics"
    assert all((node.process, node.wanted) == (None, "stopped") for node in nodes)


def test_ports_in_use_are_passed_over_and_wanted_ones_are_refused(tmp_path: Path) -> None:
    nodes = plan(tmp_path, ("Alice", "Bob"), ports=Ports(lambda port: port != 9944))
    assert [node.rpc_port for node in nodes] == [9945, 9946]
    nodes = plan(tmp_path, ("Alice", "Bob"), port=20000, rpc_port=9955, prometheus_port=9700)
    assert [(n.port, n.rpc_port, n.metrics_port) for n in nodes] == [(20000, 9955, 9700), (20001, 9956, 9701)]
    for flag in ("port", "rpc_port", "prometheus_port"):
        with pytest.raises(
            StartError, match=f"port 9955 is in use; choose another with --{flag.replace('_', '-')}"
        ):
            plan(tmp_path, ("Alice",), ports=Ports(lambda port: port != 9955), **{flag: 9955})


def test_every_node_knows_every_other_by_its_peer_id(tmp_path: Path) -> None:
    nodes = plan(tmp_path, ("Alice", "Bob", "Charlie"))
    for node in nodes:
        key = parse_node_key(Path(get_option(node, "--node-key-file")).read_bytes(), "file")
        assert compute_peer_id(key.public) == node.peer_id
        told = {node.arguments[i + 1] for i, flag in enumerate(node.arguments) if flag == "--bootnodes"}
        others = {f"/ip4/127.0.0.1/tcp/{n.port}/ws/p2p/{n.peer_id}" for n in nodes if n is not node}
        assert told == others
        assert all(parse_multiaddr(address).peer for address in told)
    assert len({node.peer_id for node in nodes}) == 3


def test_plan_made_again_has_the_same_peer_ids_and_command_lines(tmp_path: Path) -> None:
    assert plan(tmp_path, AUTHORITY_NAMES[:7]) == plan(tmp_path, AUTHORITY_NAMES[:7])


def test_named_accounts_have_their_flag_and_others_a_key_on_disk(tmp_path: Path) -> None:
    nodes = plan(tmp_path, AUTHORITY_NAMES[:7], full=1)
    assert "--ferdie" in nodes[5].arguments
    assert "--validator" not in nodes[5].arguments
    assert "--validator" in nodes[6].arguments
    keystore = Keystore(tmp_path / "validator7" / "chains" / "local_testnet" / "keystore")
    (key,) = keystore.list_keys("gran")
    assert key.public == Keypair.from_uri("//Validator7", Scheme.ED25519).public
    assert not {"--validator", "--alice"} & set(nodes[7].arguments)
    assert nodes[7].arguments[-2:] == ("--log", "debug")


def test_authority_that_starts_late_may_sign_but_no_guard_is_made_anew(tmp_path: Path) -> None:
    plan(tmp_path, ("Alice", "Validator9"), full=1)
    chains = [tmp_path / name / "chains" / "local_testnet" for name in ("alice", "validator9", "observer1")]
    assert [(path / "guard").exists() for path in chains] == [True, True, False]
    for name, path in (("Alice", chains[0]), ("Validator9", chains[1])):
        pair = Keypair.from_uri(f"//{name}", Scheme.ED25519)
        signer = GuardedSigner(pair, Hash(bytes(32)), GuardFile(path / "guard"))
        assert not signer.is_new
        assert signer.last is not None
        assert judge(signer.last, Position(1, 0, 0), b"first") == MaySign()
    (chains[0] / "guard").unlink()
    (chains[0] / "db").mkdir()  # the key may have signed for what lies there
    plan(tmp_path, ("Alice", "Validator9"))
    assert not (chains[0] / "guard").exists()


def test_four_named_authorities_are_the_built_in_chain_and_others_get_a_file(tmp_path: Path) -> None:
    assert get_option(plan(tmp_path, AUTHORITY_NAMES[:4])[0], "--chain") == "local"
    for count in (1, 3, 5, VALIDATORS_MAX):
        path = get_option(plan(tmp_path, AUTHORITY_NAMES[:count])[0], "--chain")
        spec = load_spec(path)
        assert spec.chain_type == "Local"
        assert spec.genesis_state() == make_local_spec(AUTHORITY_NAMES[:count]).genesis_state()
        assert read_chain(path, None).authorities == AUTHORITY_NAMES[:count]


def test_largest_devnet_fits_its_state_file() -> None:
    assert VALIDATORS_MAX + FULL_MAX <= NODES_MAX


def test_own_chain_runs_the_authorities_whose_keys_everybody_knows(tmp_path: Path) -> None:
    plain = make_local_spec(("Bob", "Validator9", "Alice", "Eve")).to_json(raw=False)
    path = write_spec(tmp_path / "plain.json", plain)
    chain = read_chain(path, None)
    assert (chain.authorities, chain.get_argument(tmp_path)) == (("Bob", "Validator9", "Alice", "Eve"), path)
    assert read_chain(path, 3).authorities == ("Bob", "Validator9", "Alice")
    raw = write_spec(tmp_path / "raw.json", load_spec(path).to_json(raw=True))
    assert read_chain(raw, None).authorities == chain.authorities
    assert read_chain("dev", None).get_argument(tmp_path) == "dev"


def test_authority_whose_key_nobody_knows_is_left_to_others(tmp_path: Path) -> None:
    spec = make_local_spec(("Alice", "Stranger", "Charlie", "Dave")).to_json(raw=False)
    assert read_chain(write_spec(tmp_path / "a", spec), None).authorities == ("Alice", "Charlie", "Dave")


@pytest.mark.parametrize(
    ("authorities", "count", "error", "words"),
    [
        (("Stranger",), None, ConfigError, "no authority has a key that everybody knows"),
        (("Alice", "Stranger", "Other"), None, UsageError, "has 3 authorities, of whom 3 must run, not 1"),
        (("Alice", "Bob", "Charlie", "Dave"), 2, UsageError, "has 4 authorities, of whom 3 must run, not 2"),
        (("Alice", "Bob"), 3, UsageError, "has 2 authorities whose keys everybody knows, fewer than 3"),
    ],
)
def test_chain_that_could_not_make_blocks_is_refused(
    tmp_path: Path, authorities: tuple[str, ...], count: int | None, error: type[Exception], words: str
) -> None:
    path = write_spec(tmp_path / "spec", make_local_spec(authorities).to_json(raw=False))
    with pytest.raises(error, match=words):
        read_chain(path, count)


def test_file_that_is_no_chain_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="neither a built-in chain"):
        read_chain(str(tmp_path / "missing"), None)
    (tmp_path / "bad").write_text("{}")
    with pytest.raises(SpecError, match="bad"):
        read_chain(str(tmp_path / "bad"), None)


def test_lone_authority_has_no_full_nodes() -> None:
    with pytest.raises(UsageError, match="--full needs two validators"):
        choose_chain(Wishes(validators=1, full=1))
    with pytest.raises(UsageError, match="--full needs two validators"):
        choose_chain(Wishes(chain="dev", full=1))
    chain, nodes = choose_chain(Wishes(validators=2, full=2))
    assert chain.authorities == ("Alice", "Bob")
    assert [node.name for node in nodes] == ["Alice", "Bob", "Observer1", "Observer2"]
    assert choose_chain(Wishes())[0].authorities == AUTHORITY_NAMES[:4]


def test_manifest_names_the_nodes_and_its_validators_are_the_authorities() -> None:
    text = 'nodes = [{name = "Watcher", role = "full"}, {name = "Zoe"}, {name = "Yan"}]'
    chain, nodes = choose_chain(Wishes(manifest=parse_manifest(text)))
    assert chain.authorities == ("Zoe", "Yan")
    assert [(node.name, node.role) for node in nodes] == [
        ("Watcher", "full"),
        ("Zoe", "validator"),
        ("Yan", "validator"),
    ]
