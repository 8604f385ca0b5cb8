"""`loam` alone starts the node; its flags are Substrate's, and every mistake has its exit code and a
sentence.
"""

import errno
import subprocess
import sys
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from node.cli import entry, root
from node.cli.outcome import explain_error
from node.cli.start import name_node, raise_file_limit, read_secrets, warn_of_open_secrets
from node.config import Config, ExitCode, StartError, load_config
from node.config.descriptions import SETTINGS
from node.config.rules import find_name_fault
from node.config.settings import DEV_ACCOUNTS, KEYS
from node.storage.kv import (
    CorruptionError,
    DiskFullError,
    LockedError,
    WriteFailedError,
    WrongGenesisError,
)
from runtime.frame.declarations import DeclarationError
from tests.node.cli.running import Loam

PEER = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp"
ADDRESSES = [f"/ip4/127.0.0.1/tcp/{port}/ws/p2p/{PEER}" for port in (1, 2, 3)]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Config]:
    """Collects the configurations that the node would start with."""
    configs: list[Config] = []

    def start(config: Config, *_: object) -> int:
        configs.append(config)
        return 0

    monkeypatch.setattr("node.cli.start.run", start)
    monkeypatch.setattr("node.cli.start.start_logs", lambda _: None)
    return configs


def test_without_a_command_the_node_starts(loam: Loam, started: list[Config]) -> None:
    loam.ok("--dev", "--rpc-port", "0", "-d", "/x", "-lrpc=debug", "-l", "sync=info,pool=off")
    (config,) = started
    assert (config.chain, config.rpc_port, config.base_path) == ("dev", 0, "/x")
    assert config.log == ("rpc=debug", "sync=info", "pool=off")
    assert config.name == "Alice"


def test_exit_code_is_that_of_the_service(
    loam: Loam, monkeypatch: pytest.MonkeyPatch, started: list[Config]
) -> None:
    assert started == []

    def fail(*_: object) -> int:
        raise StartError("port 9944 is in use", ExitCode.PORT_IN_USE)

    monkeypatch.setattr("node.cli.start.run", fail)
    assert loam.fail(ExitCode.PORT_IN_USE, "--dev") == "Error: port 9944 is in use\n"


def test_start_line_of_zombienet_is_understood(loam: Loam, started: list[Config]) -> None:
    line = (
        f"--chain f.json --name alice --rpc-cors all --rpc-methods unsafe --no-mdns --node-key {'ab' * 32}"
        f" --no-telemetry --prometheus-external --validator --insecure-validator-i-know-what-i-do"
        f" --bootnodes {' '.join(ADDRESSES)} --prometheus-port 1 --rpc-port 2"
        f" --listen-addr /ip4/127.0.0.1/tcp/3/ws --base-path /d"
    )
    loam.ok(*line.split())
    (config,) = started
    assert config.bootnodes == tuple(ADDRESSES)
    assert config.listen_addr == ("/ip4/127.0.0.1/tcp/3/ws",)
    assert config.validator


def test_addresses_may_be_repeated_or_listed(loam: Loam, started: list[Config]) -> None:
    loam.ok(
        "--bootnodes", ADDRESSES[0], "--bootnodes", *ADDRESSES[1:], "--tmp", "--reserved-nodes", ADDRESSES[0]
    )
    (config,) = started
    assert config.bootnodes == tuple(ADDRESSES)
    assert config.reserved_nodes == (ADDRESSES[0],)
    assert config.tmp


def test_help_shows_every_setting_and_command(loam: Loam) -> None:
    text = loam.ok("--help")
    for name in SETTINGS:
        if name != "dev_account":
            assert f"--{KEYS[name]}" in text
    assert all(f"--{account}" in text for account in DEV_ACCOUNTS)
    assert all(name in text for name in root.COMMANDS)
    assert "--insecure-validator-i-know-what-i-do" in text


@pytest.mark.parametrize("command", root.COMMANDS)
def test_every_command_has_help(loam: Loam, command: str) -> None:
    assert "Usage: loam " in loam.ok(command, "--help")


def test_help_does_not_load_the_chain() -> None:
    code = (
        "import sys; from node.cli.entry import run; run(['--help']);"
        "heavy = {'genesis', 'rich', 'aiohttp', 'prometheus_client', 'nacl'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else None)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=30)


def test_version_is_printed(loam: Loam) -> None:
    assert loam.ok("--version") == "loam, version 0.1.0\n"


def test_optimised_python_is_refused() -> None:
    result = subprocess.run(
        [sys.executable, "-O", "-m", "node", "--help"],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert result.returncode == ExitCode.ERROR
    assert "without python -O" in result.stderr


def test_printed_configuration_names_origins_and_starts_nothing(
    loam: Loam, started: list[Config], tmp_path: Path
) -> None:
    file = tmp_path / "loam.toml"
    file.write_text("pool-limit = 5\n")
    text = loam.ok("--dev", "--config", file, "--rpc-port", "7", "--print-config")
    assert f"pool-limit = 5                                   # {file}:1" in text
    assert "# --rpc-port" in text
    assert started == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--rpc-port", "x"], "--rpc-port: expected a whole number, got 'x'"),
        (["--rpc-methods", "all"], "expected one of auto, safe, unsafe"),
        (["--tmp", "--base-path", "/x"], "give only one of these"),
        (["--alice", "--bob"], "--alice and --bob: give only one of these"),
        (["--name", "a@b"], "no . and no @"),
        (["--validator", "--rpc-external"], "does not offer its RPC"),
        (["--mock-signatures"], "add --dev"),
        (["--bootnodes", "/ip4/1.2.3.4/tcp/1/ws"], "expected /p2p/PEER"),
        (["--bootnodes", "nonsense"], "--bootnodes: expected"),
        (["--listen-addr", "/ip4/1.2.3.4/udp/1"], "--listen-addr: expected"),
        (["--log", "rpc=loud"], "--log: expected one of"),
        (["--rpc-prot", "1"], "--rpc-port"),
        (["purge"], "Did you mean purge-chain?"),
        (["zzz"], "No such command"),
        (["--dev", "build-spec"], "Give options after the command"),
        (["--print-config", "key"], "Give options after the command"),
        (["--rpc-port"], "requires an argument"),
    ],
)  # fmt: skip
def test_mistakes_on_the_command_line_are_usage_errors(
    loam: Loam, started: list[Config], arguments: list[str], words: str
) -> None:
    assert words in loam.fail(ExitCode.USAGE, *arguments)
    assert started == []


def test_mistake_in_the_file_is_a_config_error(loam: Loam, started: list[Config], tmp_path: Path) -> None:
    file = tmp_path / "loam.toml"
    file.write_text("rpc-prot = 5\n")
    assert "did you mean rpc-port?" in loam.fail(ExitCode.CONFIG, "--config", file)
    assert started == []


def test_unnamed_node_gets_a_valid_name() -> None:
    names = {name_node(Config()).name for _ in range(20)}
    assert len(names) > 1
    assert all(name is not None and find_name_fault(name) is None for name in names)
    assert name_node(Config(name="x")).name == "x"


def test_password_is_read_before_the_start(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("pw\n")
    config = read_secrets(Config(password_filename=str(file)))
    assert (config.password, config.password_filename) == ("pw", None)


def test_password_file_that_others_can_read_is_told(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("pw\n")
    resolved = load_config({"password_filename": str(file)}, {})
    for mode, told in (
        (0o600, []),
        (0o640, ["secret_file_open_to_others"]),
        (0o644, ["secret_file_open_to_others"]),
    ):
        file.chmod(mode)
        with capture_logs() as logs:
            warn_of_open_secrets(*resolved)
        assert [record["event"] for record in logs] == told


def test_secret_on_the_command_line_is_told_and_not_shown() -> None:
    with capture_logs() as logs:
        warn_of_open_secrets(*load_config({"password": "hunter2", "node_key": "ab" * 32}, {}))
        warn_of_open_secrets(*load_config({}, {"LOAM_PASSWORD": "hunter2"}))
    assert [(record["event"], record["flag"]) for record in logs] == [
        ("secret_on_command_line", "--password"),
        ("secret_on_command_line", "--node-key"),
    ]
    assert "hunter2" not in str(logs)


def test_file_limit_is_raised_without_complaint() -> None:
    raise_file_limit()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DiskFullError("full"), ExitCode.DISK_FULL),
        (LockedError("/x", 5), ExitCode.DATABASE_LOCKED),
        (CorruptionError("bad"), ExitCode.DATABASE_CORRUPT),
        (WrongGenesisError(bytes(32), bytes(32)), ExitCode.WRONG_GENESIS),
        (WriteFailedError("Input/output error"), ExitCode.DISK_FAILING),
        (OSError(errno.ENOSPC, "No space left on device"), ExitCode.DISK_FULL),
        (OSError(errno.EFBIG, "File too large"), ExitCode.DISK_FULL),
        (OSError(errno.EADDRINUSE, "in use"), ExitCode.PORT_IN_USE),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), ExitCode.ERROR),
        (ExceptionGroup("tasks", [DiskFullError("full")]), ExitCode.DISK_FULL),
        (DeclarationError("Names.x needs a default"), ExitCode.ERROR),
    ],
)
def test_known_errors_have_their_exit_codes(error: Exception, code: ExitCode) -> None:
    explained = explain_error(error)
    assert explained is not None
    assert explained.code == code
    assert explained.message


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (CorruptionError("block checksum mismatch"), "loam purge-chain"),
        (WrongGenesisError(bytes(32), bytes(32)), "loam purge-chain"),
        (DiskFullError("full"), "Free some space"),
    ],
)
def test_error_says_what_to_do_next(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(root.root, "main", fail)
    assert entry.run([]) > ExitCode.ERROR
    first, second = capfd.readouterr().err.splitlines()
    assert first == f"Error: {error}"
    assert words in second


def test_bugs_are_not_explained_away() -> None:
    assert explain_error(KeyError("x")) is None
    assert explain_error(ExceptionGroup("x", [OSError(errno.EIO, "a"), KeyError("b")])) is None


def test_one_fault_among_tasks_is_shown_without_the_tasks(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_inside() -> None:
        raise KeyError("x")

    def fail(*_: object, **__: object) -> None:
        try:
            fail_inside()
        except KeyError as error:
            raise ExceptionGroup("tasks", [ExceptionGroup("more", [error])]) from None

    monkeypatch.setattr(root.root, "main", fail)
    assert entry.run([]) == ExitCode.ERROR
    err = capfd.readouterr().err
    assert "Group" not in err
    last = err.splitlines()[-1]
    assert last.startswith(f"Error: KeyError in {__file__}, line ")
    assert last.endswith(": 'x'; this is a fault of the program, please report it")


def test_unexpected_error_shows_its_traceback_and_code_1(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr(root.root, "main", fail)
    assert entry.run([]) == ExitCode.ERROR
    err = capfd.readouterr().err
    assert "Traceback" in err
    assert "please report it" in err


def test_interrupt_is_no_traceback(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(root.root, "main", interrupt)
    assert entry.run([]) == ExitCode.ERROR
    assert capfd.readouterr().err == "Aborted.\n"


def test_reader_that_goes_away_is_no_error() -> None:
    command = f"{sys.executable} -m node build-spec --chain dev --raw | head -c 10"
    result = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], check=False, capture_output=True, text=True, timeout=60
    )
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_printed(loam: Loam, shell: str) -> None:
    assert "_LOAM_COMPLETE" in loam.ok("completions", shell)


def test_completion_knows_commands_and_flags() -> None:
    environment = {
        "_LOAM_COMPLETE": "bash_complete",
        "COMP_WORDS": "loam bu",
        "COMP_CWORD": "1",
        "PATH": "/usr/bin:/bin",
    }
    result = subprocess.run(
        [sys.executable, "-m", "node"],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
        env=environment,
    )
    assert result.stdout == "plain,build-spec\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("loam --log-format j", "plain,json\n"),
        ("loam --rpc-methods ", "plain,auto\nplain,safe\nplain,unsafe\n"),
        ("loam --chain sp", "file,sp\n"),
        ("loam purge-chain --base-path x", "dir,x\n"),
        ("loam --rpc-port 9", "\n"),
    ],
)
def test_completion_knows_the_values(words: str, answer: str) -> None:
    environment = {
        "_LOAM_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
        "PATH": "/usr/bin:/bin",
    }
    result = subprocess.run(
        [sys.executable, "-m", "node"],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
        env=environment,
    )
    assert result.stdout == answer


def test_help_shows_the_words_that_a_setting_takes(loam: Loam) -> None:
    text = loam.ok("--help")
    assert "--log-format console|json" in text
    assert "--sync full|fast|fast-unsafe|warp" in text


def test_every_command_is_told_in_one_whole_line(loam: Loam) -> None:
    for group in ("key", "db", "config", "benchmark"):
        assert "..." not in loam.ok(group, "--help").partition("Commands:")[2]


def test_unknown_shell_is_refused(loam: Loam) -> None:
    loam.fail(ExitCode.USAGE, "completions", "tcsh")
