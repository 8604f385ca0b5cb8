"""A chain specification is pure JSON on standard output, and its raw form keeps the genesis."""

import json
from pathlib import Path

import pytest

from node.config import ExitCode
from tests.node.cli.running import Loam


@pytest.mark.parametrize("command", ["build-spec", "export-chain-spec"])
def test_plain_spec_has_what_tools_edit(loam: Loam, command: str) -> None:
    document = json.loads(loam.ok(command, "--chain", "local", "--disable-default-bootnode"))
    assert document["id"] == "local_testnet"
    assert document["bootNodes"] == []
    assert document["genesis"]["runtimeGenesis"]["config"]["balances"]["balances"]


def test_edited_plain_spec_becomes_a_raw_one_that_stays_the_same(loam: Loam, tmp_path: Path) -> None:
    document = json.loads(loam.ok("build-spec", "--dev"))
    balances = document["genesis"]["runtimeGenesis"]["config"]["balances"]["balances"]
    balances[0][1] += 1
    (tmp_path / "plain.json").write_text(json.dumps(document))
    raw = loam.ok("build-spec", "--chain", tmp_path / "plain.json", "--raw")
    assert raw != loam.ok("build-spec", "--dev", "--raw")
    (tmp_path / "raw.json").write_text(raw)
    assert loam.ok("build-spec", "--chain", tmp_path / "raw.json", "--raw") == raw


def test_boot_nodes_are_left_out_on_demand(loam: Loam, tmp_path: Path) -> None:
    document = json.loads(loam.ok("build-spec", "--dev"))
    document["bootNodes"] = ["/ip4/127.0.0.1/tcp/1/ws/p2p/x"]
    file = tmp_path / "spec.json"
    file.write_text(json.dumps(document))
    assert len(json.loads(loam.ok("build-spec", "--chain", file))["bootNodes"]) == 1
    assert json.loads(loam.ok("build-spec", "--chain", file, "--disable-default-bootnode"))["bootNodes"] == []


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"name": "x"}', '{"genesis": NaN}', "[" * 100_000, "\x00"]
)
@pytest.mark.parametrize(
    "command", [["build-spec"], ["config", "check"], ["purge-chain", "-y"], ["chain-info"]]
)
def test_bad_spec_files_are_config_errors(
    loam: Loam, tmp_path: Path, content: str, command: list[str]
) -> None:
    file = tmp_path / "spec.json"
    file.write_text(content)
    assert "spec" in loam.fail(ExitCode.CONFIG, *command, "--chain", file)


@pytest.mark.parametrize("name", ["nowhere", "", "/", "x" * 5000, "\x00"])
def test_unknown_chain_is_a_config_error(loam: Loam, name: str) -> None:
    loam.fail(ExitCode.CONFIG, "build-spec", "--chain", name)


def test_raw_spec_cannot_be_made_plain(loam: Loam, tmp_path: Path) -> None:
    file = tmp_path / "raw.json"
    file.write_text(loam.ok("build-spec", "--dev", "--raw"))
    assert "raw" in loam.fail(ExitCode.CONFIG, "build-spec", "--chain", file)


def test_configuration_is_checked(loam: Loam, tmp_path: Path) -> None:
    file = tmp_path / "loam.toml"
    file.write_text('chain = "dev"\nlog = ["rpc=debug"]\n')
    assert "Development (dev)" in loam("config", "check", file).err
    assert "log = [" in loam.ok("config", "check", "--config", file, "--show")
    assert "once" in loam.fail(ExitCode.USAGE, "config", "check", file, "--config", file)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("rpc-prot = 1\n", ExitCode.CONFIG),
        ('chain = "nowhere"\n', ExitCode.CONFIG),
        ('log = ["a=b"]\n', ExitCode.USAGE),
        ('bootnodes = ["x"]\n', ExitCode.USAGE),
        ("mock-signatures = true\n", ExitCode.CONFIG),
        ("[", ExitCode.CONFIG),
    ],
)
def test_wrong_configuration_is_found(loam: Loam, tmp_path: Path, text: str, code: ExitCode) -> None:
    file = tmp_path / "loam.toml"
    file.write_text(text)
    loam.fail(code, "config", "check", file)


def test_mock_signatures_need_a_development_chain(loam: Loam, tmp_path: Path) -> None:
    document = json.loads(loam.ok("build-spec", "--dev"))
    document["chainType"] = "Live"
    (tmp_path / "live.json").write_text(json.dumps(document))
    file = tmp_path / "loam.toml"
    file.write_text(f'dev = true\nchain = "{tmp_path / "live.json"}"\nmock-signatures = true\n')
    assert "development chains" in loam.fail(ExitCode.CONFIG, "config", "check", file)
