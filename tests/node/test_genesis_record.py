"""The genesis of a spec file is computed once, and never believed of another file, release or database."""

import json
from pathlib import Path

import pytest

from genesis.chain_spec import ChainSpec, load_spec
from node.chain.remembered import GENESIS_FILE, GenesisRecord
from node.cli.entry import run
from node.config import Config, ExitCode, StartError
from node.service import open_chain
from runtime.primitives.types import Hash


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A chain by file, on an empty base path."""
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps(load_spec("dev").to_json(raw=False)))
    return Config(chain=str(spec), base_path=str(tmp_path / "base"))


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the specs whose genesis state was computed."""
    names: list[str] = []
    compute = ChainSpec.genesis_state

    def count(spec: ChainSpec) -> object:
        names.append(spec.id)
        return compute(spec)

    monkeypatch.setattr(ChainSpec, "genesis_state", count)
    return names


def start(config: Config) -> Hash:
    with open_chain(config) as (_, chain):
        return chain.genesis_hash


def edit(config: Config, change: int) -> None:
    """Change an endowment in the spec file."""
    path = Path(config.chain)
    document = json.loads(path.read_bytes())
    document["genesis"]["runtimeGenesis"]["config"]["balances"]["balances"][0][1] += change
    path.write_text(json.dumps(document))


def test_second_start_computes_no_genesis(config: Config, computed: list[str]) -> None:
    first = start(config)
    assert computed == ["dev"]
    assert start(config) == start(config) == first
    assert computed == ["dev"]


def test_edited_spec_is_noticed_as_another_genesis_until_it_is_put_right(
    config: Config, computed: list[str]
) -> None:
    first = start(config)
    edit(config, 1)
    for _ in range(2):
        with pytest.raises(StartError) as refused:
            start(config)
        assert refused.value.exit_code == ExitCode.WRONG_GENESIS
    edit(config, -1)
    assert start(config) == first
    assert len(computed) == 3


def test_change_that_is_none_of_the_genesis_is_computed_once_more(
    config: Config, computed: list[str]
) -> None:
    first = start(config)
    path = Path(config.chain)
    path.write_text(path.read_text() + "\n")
    assert start(config) == start(config) == first
    assert len(computed) == 2


def test_another_release_computes_anew(
    config: Config, computed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    start(config)
    monkeypatch.setattr("node.service.program_version", lambda: "9.9.9")
    start(config)
    assert len(computed) == 2


def test_record_without_its_database_or_with_a_damaged_byte_counts_for_nothing(
    config: Config, computed: list[str]
) -> None:
    first = start(config)
    chain_path = config.get_chain_path("dev")
    record = chain_path / GENESIS_FILE
    (chain_path / "db").rename(chain_path / "gone")
    assert start(config) == first
    assert len(computed) == 2
    whole = record.read_bytes()
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 1
        record.write_bytes(damaged)
        assert GenesisRecord(record, bytes(32)).recall() is None
    assert start(config) == first
    assert len(computed) == 3
    for other in (b"", whole[:-1], whole + b"\0", bytes(5000)):
        record.write_bytes(other)
        assert start(config) == first
    assert len(computed) == 7
    assert record.read_bytes() == whole


def test_purge_removes_the_record(config: Config) -> None:
    start(config)
    record = config.get_chain_path("dev") / GENESIS_FILE
    assert record.exists()
    assert run(["purge-chain", "-y", "--chain", config.chain, "--base-path", str(config.base_path)]) == 0
    assert not record.exists()


def test_built_in_chain_is_always_computed(tmp_path: Path, computed: list[str]) -> None:
    config = Config(chain="dev", base_path=str(tmp_path))
    assert start(config) == start(config)
    assert len(computed) == 2
