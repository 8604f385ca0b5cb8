"""The state file and the pointer: what was written is read, and what is not ours is refused by name."""

import os
import threading
from pathlib import Path

import pytest

from node.config import ExitCode, StartError, UsageError
from node.devnet.processes import identify
from node.devnet.records import NODES_MAX, DevnetRecord, NodeRecord, ProcessId
from node.devnet.state_file import (
    STATE_BYTES_MAX,
    StateFile,
    find_state,
    forget,
    get_pointer_path,
    point_at,
)

NODE = NodeRecord(
    name="Alice",
    role="validator",
    peer_id="12D3",
    port=1,
    rpc_port=2,
    metrics_port=3,
    log="/log",
    arguments=("--chain", "local"),
    wanted="running",
    process=ProcessId(7, "then"),
)


def make_record(directory: Path, *nodes: NodeRecord) -> DevnetRecord:
    return DevnetRecord(
        supervisor=identify(os.getpid()),
        base_path=str(directory),
        is_temporary=True,
        chain="Local",
        nodes=nodes or (NODE,),
    )


@pytest.fixture(autouse=True)
def own_pointer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


def test_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    state = StateFile(tmp_path)
    assert not state.exists()
    record = make_record(tmp_path)
    state.store(record)
    assert state.exists()
    assert state.load() == record
    assert record.get_node("aLICE") == NODE
    with pytest.raises(UsageError, match="no node is called 'Bob'; the nodes are Alice"):
        record.get_node("Bob")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"version": 1', '"version": 2'),
        ('"chain"', '"chein"'),
        ('"pid": 7', '"pid": 0'),
        ('"pid": 7', '"pid": -1'),
        ('"wanted": "running"', '"wanted": "walking"'),
        ('"is_temporary": true', '"is_temporary": "yes"'),
        ("{", "["),
        ("Local", "\udcff"),
    ],
)
def test_state_that_this_release_does_not_know_is_refused(tmp_path: Path, before: str, after: str) -> None:
    state = StateFile(tmp_path)
    state.store(make_record(tmp_path))
    text = (tmp_path / "devnet.json").read_text()
    assert before in text
    (tmp_path / "devnet.json").write_text(text.replace(before, after), errors="surrogateescape")
    with pytest.raises(StartError, match="is no state of a devnet that this release knows") as refused:
        state.load()
    assert refused.value.exit_code == ExitCode.CONFIG


def test_number_of_nodes_and_size_have_limits(tmp_path: Path) -> None:
    state = StateFile(tmp_path)
    state.store(make_record(tmp_path, *[NODE] * NODES_MAX))
    assert len(state.load().nodes) == NODES_MAX
    state.store(make_record(tmp_path, *[NODE] * (NODES_MAX + 1)))
    with pytest.raises(StartError, match="length <= 64"):
        state.load()
    state.store(make_record(tmp_path))
    data = (tmp_path / "devnet.json").read_bytes()
    (tmp_path / "devnet.json").write_bytes(data.ljust(STATE_BYTES_MAX))
    assert state.load().nodes == (NODE,)
    (tmp_path / "devnet.json").write_bytes(data.ljust(STATE_BYTES_MAX + 1))
    with pytest.raises(StartError, match="larger than"):
        state.load()


def test_folder_without_a_devnet_is_named(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=f"{tmp_path} holds no devnet"):
        StateFile(tmp_path).load()
    (tmp_path / "file").touch()
    with pytest.raises(StartError, match="holds no devnet"):
        StateFile(tmp_path / "file").load()


def test_change_waits_for_another_one(tmp_path: Path) -> None:
    state = StateFile(tmp_path)
    order: list[str] = []
    entered = threading.Event()

    def change() -> None:
        entered.set()
        with StateFile(tmp_path).locked():
            order.append("second")

    other = threading.Thread(target=change)
    with state.locked():
        other.start()
        entered.wait()
        other.join(0.2)
        order.append("first")
    other.join()
    assert order == ["first", "second"]


def test_latest_devnet_is_found_until_it_is_forgotten(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="no devnet is known here"):
        find_state(None)
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        StateFile(tmp_path / name).store(make_record(tmp_path / name))
        point_at(tmp_path / name)
    assert find_state(None).directory == tmp_path / "second"
    assert find_state(tmp_path / "first").directory == tmp_path / "first"
    forget(tmp_path / "first")
    assert find_state(None).directory == tmp_path / "second"
    forget(tmp_path / "second")
    forget(tmp_path / "second")
    assert not get_pointer_path().exists()


def test_pointer_to_a_folder_that_is_gone_is_no_devnet(tmp_path: Path) -> None:
    point_at(tmp_path / "gone")
    with pytest.raises(StartError, match="no devnet is known here") as refused:
        find_state(None)
    assert refused.value.exit_code == ExitCode.CONFIG
