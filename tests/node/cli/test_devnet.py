"""`loam devnet` without any node: what its screens hold, what it refuses, and with which exit code."""

import io
import json
import os
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

import pytest
from msgspec.structs import replace
from rich.text import Text

from genesis.chain_spec import load_spec
from node.cli.banner import WARNING
from node.cli.devnet_screen import (
    JsonView,
    TextView,
    describe_devnet,
    describe_status,
    format_time,
    lay_out_ready,
    lay_out_status,
    lay_out_table,
)
from node.config import ExitCode
from node.devnet.observing import Seen
from node.devnet.processes import identify
from node.devnet.records import DevnetRecord, NodeRecord, ProcessId
from node.devnet.state_file import StateFile, point_at
from node.devnet.supervisor import STOPPING
from node.devnet.views import Condition, NodeView
from tests.node.cli.running import Loam

SPEC = load_spec("local")
HASH = "0x" + "ab" * 32


def make_node(name: str, number: int) -> NodeRecord:
    return NodeRecord(
        name=name,
        role="validator" if number < 4 else "full",
        peer_id="12D3KooW" + "x" * 44,
        port=30333 + number,
        rpc_port=9944 + number,
        metrics_port=9615 + number,
        log=f"/tmp/loam-devnet-12345678/{name.lower()}.log",
        arguments=(),
        process=ProcessId(1000 + number, "then"),
    )


NODES = tuple(make_node(name, i) for i, name in enumerate(("Alice", "Bob", "Charlie", "Dave", "Observer1")))
CONDITIONS: tuple[Condition, ...] = ("running", "paused", "stopped", "silent", "starting")
VIEWS = (
    NodeView(NODES[0], "running", Seen("12D3", 12, 11, HASH, 3)),
    *(NodeView(node, condition, None) for node, condition in zip(NODES[1:], CONDITIONS[1:], strict=True)),
)


def make_record(base: Path = Path("/tmp/loam-devnet-12345678")) -> DevnetRecord:
    return DevnetRecord(
        supervisor=ProcessId(999, "then"),
        base_path=str(base),
        is_temporary=True,
        chain="Local Testnet",
        nodes=NODES,
    )


def plain(lines: Iterable[Text]) -> list[str]:
    return [line for text in lines for line in text.plain.splitlines()]


@pytest.fixture
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without devnets."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path


@pytest.mark.parametrize("width", [60, 80, 100, 140, 160, 200])
def test_no_endpoint_is_cut_in_two_on_a_narrow_terminal(width: int) -> None:
    lines = plain(lay_out_table(NODES, width))
    assert max(map(len, lines)) <= width
    for node in NODES:
        for text in (node.name, node.rpc_url, node.metrics_url, node.log, node.peer_id):
            assert any(text in line for line in lines), text


def test_wide_terminal_has_one_line_for_each_node() -> None:
    lines = plain(lay_out_table(NODES, 200))
    assert len(lines) == 1 + len(NODES)
    assert lines[0].split() == ["Node", "Role", "RPC", "Metrics", "Log", "Peer", "id"]


def test_ready_devnet_shows_accounts_first_and_endpoints_where_they_stay_in_sight() -> None:
    lines = plain(lay_out_ready(make_record(), SPEC, 3.14, 200))
    assert lines[0] == "Local Testnet: 5 nodes, ready after 3.1 s"
    text = "\n".join(lines)
    assert text.index("//Alice//stash") < text.index(WARNING) < text.index("ws://127.0.0.1:9944")
    assert "https://polkadot.js.org/apps/?rpc=ws://127.0.0.1:9944" in text
    for command in ("status", "logs", "kill", "pause", "resume", "restart", "stop"):
        assert command in lines[-1]


def test_json_holds_the_table_and_the_accounts(capsys: pytest.CaptureFixture[str]) -> None:
    with JsonView(SPEC) as view:
        view.show_ready(make_record(), 3.1415)
        view.show_nodes(VIEWS, 0)
        view.tell("kill Bob")
    out, err = capsys.readouterr()
    assert err == "kill Bob\n"
    document = json.loads(out)
    assert document == describe_devnet(make_record(), SPEC, 3.1415)
    assert document["ready_ms"] == 3142
    assert len(document["accounts"]) == 24
    assert document["nodes"][4] == {
        "name": "Observer1",
        "role": "full",
        "rpc": "ws://127.0.0.1:9948",
        "metrics": "http://127.0.0.1:9619/metrics",
        "log": NODES[4].log,
        "peer_id": NODES[4].peer_id,
    }


def test_status_shows_how_each_node_stands() -> None:
    lines = plain(lay_out_status(make_record(), VIEWS, is_up=True))
    assert " ".join(lines[2].split()) == "Alice validator running #12 #11 3 1000 ws://127.0.0.1:9944"
    assert [line.split()[2] for line in lines[2:]] == list(CONDITIONS)
    assert lines[4].split()[3:7] == ["-"] * 4  # a node that does not run has no pid
    assert "ended" not in lines[0]
    assert plain(lay_out_status(make_record(), VIEWS, is_up=False))[0].endswith(", which has ended")
    document = describe_status(make_record(), VIEWS, is_up=True)
    nodes = document["nodes"]
    assert isinstance(nodes, list)
    assert {key: nodes[0][key] for key in ("condition", "pid", "best", "finalized", "peers")} == {
        "condition": "running",
        "pid": 1000,
        "best": 12,
        "finalized": 11,
        "peers": 3,
    }
    assert (nodes[2]["condition"], nodes[2]["pid"], nodes[2]["best"]) == ("stopped", None, None)


def show(stream: TextIO) -> None:
    with TextView(SPEC, stream) as view:
        view.show_ready(make_record(), 1)
        for passed_s in (0, 0.5, 4.9, 5.0, 5.5):
            view.show_nodes(VIEWS, passed_s)
        view.tell("kill Bob")
        view.tell(STOPPING)


def test_file_gets_a_line_every_five_seconds() -> None:
    stream = io.StringIO()
    show(stream)
    lines = stream.getvalue().splitlines()
    shown = [line for line in lines if line.startswith("0:0")]
    assert shown[0] == (
        "0:00  Alice #12 (finalized #11)  Bob paused  Charlie stopped  Dave silent  Observer1 starting"
    )
    assert shown[1].startswith("0:05  Alice #12")
    assert shown[2:] == ["0:05  kill Bob", "0:05  stopping"]
    assert "\x1b" not in stream.getvalue()


def test_terminal_has_the_heights_in_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    show(stream)
    text = stream.getvalue()
    assert "Ctrl-C stops all nodes" in text
    assert text.count("\x1b[1A") > 3  # the cursor goes up before each new picture
    assert text.index("\x1b[?25l") < text.index("\x1b[?25h")  # hidden, and shown again


@pytest.mark.parametrize(
    ("passed_s", "text"), [(0, "0:00"), (59.9, "0:59"), (60, "1:00"), (3599, "59:59"), (3661, "1:01:01")]
)
def test_time_is_read_at_a_glance(passed_s: float, text: str) -> None:
    assert format_time(passed_s) == text


def test_help_tells_commands_and_the_options_of_up(loam: Loam) -> None:
    text = loam.ok("devnet", "--help")
    for words in (
        "  kill ",
        "  restart ",
        "Options of up:",
        "--manifest FILE",
        "--full N",
        "--rpc-port PORT",
    ):
        assert words in text
    assert "--base-path" in loam.ok("devnet", "status", "--help")


@pytest.mark.usefixtures("own_data")
@pytest.mark.parametrize(
    ("code", "words", "arguments"),
    [
        (ExitCode.USAGE, "is not in the range 1<=x<=21", ["-n", "0"]),
        (ExitCode.USAGE, "is not in the range 1<=x<=21", ["up", "-n", "22"]),
        (ExitCode.USAGE, "is not in the range 0<=x<=32", ["--full", "33"]),
        (ExitCode.USAGE, "No such option", ["--validatorz", "4"]),
        (ExitCode.USAGE, "No such command 'stauts'. Did you mean status?", ["stauts"]),
        (ExitCode.USAGE, "--full needs two validators", ["-n", "1", "--full", "1"]),
        (ExitCode.USAGE, "fewer than 5", ["-n", "5", "--chain", "local"]),
        (ExitCode.CONFIG, "neither a built-in chain", ["--chain", "missing"]),
        (ExitCode.CONFIG, "cannot read the manifest", ["--manifest", "missing"]),
        (ExitCode.USAGE, "leave out --full", ["--manifest", "x", "--full", "1"]),
        (ExitCode.CONFIG, "no devnet is known here", ["status"]),
        (ExitCode.CONFIG, "no devnet is known here", ["stop", "--json"]),
        (ExitCode.CONFIG, "no devnet is known here", ["logs"]),
        (ExitCode.CONFIG, "missing holds no devnet", ["kill", "Alice", "--base-path", "missing"]),
        (ExitCode.USAGE, "Missing argument 'NAME'", ["pause"]),
    ],
)
def test_mistake_has_its_exit_code_and_words(
    loam: Loam, code: ExitCode, words: str, arguments: list[str]
) -> None:
    assert words in loam.fail(code, "devnet", *arguments)


@pytest.mark.net
@pytest.mark.parametrize("flag", ["--port", "--rpc-port", "--prometheus-port"])
def test_port_in_use_is_told_before_anything_starts(loam: Loam, own_data: Path, flag: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        words = loam.fail(ExitCode.PORT_IN_USE, "devnet", flag, port, "-d", own_data / "base")
    assert f"port {port} is in use; choose another with {flag}" in words
    assert not (own_data / "base" / "devnet.json").exists()


def test_second_devnet_in_a_folder_is_refused(loam: Loam, own_data: Path) -> None:
    base = own_data / "base"
    base.mkdir()
    state = StateFile(base)
    record = make_record(base)
    state.store(replace(record, supervisor=identify(os.getpid())))
    assert f"a devnet runs in {base} already" in loam.fail(ExitCode.USAGE, "devnet", "-d", base)
    node = replace(NODES[0], process=identify(os.getpid()))
    state.store(replace(record, nodes=(node,)))
    words = loam.fail(ExitCode.USAGE, "devnet", "-d", base)
    assert f"loam devnet stop --base-path {base}" in words


def test_logs_of_one_node_or_of_all_with_their_names(loam: Loam, own_data: Path) -> None:
    base = own_data / "base"
    base.mkdir()
    nodes = tuple(replace(node, log=str(base / f"{node.name}.log"), process=None) for node in NODES[:2])
    StateFile(base).store(replace(make_record(base), nodes=nodes))
    point_at(base)
    Path(nodes[0].log).write_text("one\ntwo\nthree\n")
    Path(nodes[1].log).write_text("first\n")
    assert loam.ok("devnet", "logs", "alice", "-n", "2") == "two\nthree\n"
    assert loam.ok("devnet", "logs", "-n", "1") == "Alice  three\nBob    first\n"
    lines = loam.ok("devnet", "logs", "--json", "-n", "1").splitlines()
    assert [json.loads(line) for line in lines] == [
        {"node": "Alice", "line": "three"},
        {"node": "Bob", "line": "first"},
    ]
    assert "no node is called 'Eve'" in loam.fail(ExitCode.USAGE, "devnet", "logs", "Eve")
    status = json.loads(loam.ok("devnet", "status", "--json"))
    assert (status["is_up"], [node["condition"] for node in status["nodes"]]) == (False, ["stopped"] * 2)
    assert "which has ended" in loam.ok("devnet", "status")
