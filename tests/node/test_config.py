"""Settings come from flags over environment over file over defaults; every mistake names its place."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.config import (
    Config,
    ConfigError,
    ExitCode,
    InstantSeal,
    IntervalSeal,
    ManualSeal,
    OperatorError,
    TrustedBlock,
    UsageError,
    load_config,
    parse_pruning,
    parse_seal,
    parse_trusted_block,
    render_config,
)
from node.config.descriptions import SETTINGS
from node.config.settings import KEYS, SEAL_INTERVAL_MS_MAX
from node.config.sources import CONFIG_BYTES_MAX


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "loam.toml"
    path.write_text(text)
    return path


def fail(
    flags: dict[str, object], environ: dict[str, str] | None = None, file: Path | None = None
) -> OperatorError:
    with pytest.raises(OperatorError) as caught:
        load_config(flags, environ or {}, file)
    return caught.value


def test_exit_codes_are_the_published_ones() -> None:
    assert [(code.name, code.value) for code in ExitCode] == [
        ("OK", 0),
        ("ERROR", 1),
        ("USAGE", 2),
        ("CONFIG", 3),
        ("DATABASE_CORRUPT", 4),
        ("DATABASE_LOCKED", 5),
        ("WRONG_GENESIS", 6),
        ("KEY_MISSING", 7),
        ("PORT_IN_USE", 8),
        ("DISK_FULL", 9),
        ("UNKNOWN_RUNTIME", 10),
        ("DEVNET_FAILED", 11),
        ("DISK_FAILING", 12),
    ]


def test_every_setting_is_described_once() -> None:
    assert list(SETTINGS) == list(KEYS)


def test_defaults_are_the_published_limits() -> None:
    config = load_config({}, {}).config
    assert config == Config()
    assert (config.rpc_port, config.prometheus_port, config.port) == (9944, 9615, 30333)
    assert (config.rpc_max_request_size, config.rpc_max_response_size) == (5, 15)
    assert (config.rpc_max_connections, config.rpc_max_connections_per_ip) == (100, 16)
    assert (config.rpc_max_batch_request_len, config.rpc_message_buffer_capacity_per_connection) == (100, 64)
    assert config.rpc_max_subscriptions_per_connection == 1024
    assert (config.pool_limit, config.pool_kbytes, config.tx_ban_seconds) == (8192, 20480, 1800)
    assert config.pool_limit_per_sender == 64
    assert (config.out_peers, config.in_peers) == (8, 32)
    assert config.get_state_pruning_blocks() == 256
    assert not config.is_rpc_external()
    assert config.is_unsafe_rpc_allowed()


def test_flag_beats_environment_beats_file_beats_default(tmp_path: Path) -> None:
    file = write(tmp_path, "rpc-port = 1\nport = 1\npool-limit = 1\n")
    environ = {"LOAM_RPC_PORT": "2", "LOAM_PORT": "2", "HOME": "/"}
    config, origins = load_config({"rpc_port": "3"}, environ, file)
    assert (config.rpc_port, config.port, config.pool_limit, config.in_peers) == (3, 2, 1, 32)
    assert str(origins["rpc_port"]) == "--rpc-port"
    assert str(origins["port"]) == "LOAM_PORT"
    assert str(origins["pool_limit"]) == f"{file}:3"
    assert str(origins["in_peers"]) == "default"


def test_file_may_be_named_by_the_environment(tmp_path: Path) -> None:
    file = write(tmp_path, "rpc-port = 1\n")
    assert load_config({}, {"LOAM_CONFIG": str(file)}).config.rpc_port == 1


def test_lists_are_read_from_arrays_and_from_commas(tmp_path: Path) -> None:
    file = write(tmp_path, 'log = ["rpc=debug", "pool=info"]\nrpc-cors = "http://a, http://b"\n')
    config = load_config({"bootnodes": ("/a", "/b,/c")}, {"LOAM_RPC_ALLOWED_HOSTS": "x,y"}, file).config
    assert config.log == ("rpc=debug", "pool=info")
    assert config.rpc_cors == ("http://a", "http://b")
    assert config.bootnodes == ("/a", "/b", "/c")
    assert config.rpc_allowed_hosts == ("x", "y")


@pytest.mark.parametrize(("text", "value"), [("true", True), ("1", True), ("false", False), ("0", False)])
def test_switches_are_read_from_the_environment(text: str, value: bool) -> None:
    assert load_config({}, {"LOAM_TMP": text}).config.tmp is value


def test_text_that_looks_like_a_number_or_null_stays_text() -> None:
    config = load_config({"base_path": "null"}, {"LOAM_CHAIN": "42", "LOAM_NAME": "null"}).config
    assert (config.base_path, config.chain, config.name) == ("null", "42", "null")


def test_unknown_key_names_file_line_and_nearest_key(tmp_path: Path) -> None:
    file = write(tmp_path, '# comment\nname = "x"\nrpc-prot = 9944\n')
    error = fail({}, {}, file)
    assert isinstance(error, ConfigError)
    assert error.exit_code == ExitCode.CONFIG
    assert str(error) == f"{file}:3: unknown setting 'rpc-prot'; did you mean rpc-port?"


def test_underscored_key_and_table_are_unknown(tmp_path: Path) -> None:
    assert "did you mean rpc-port?" in str(fail({}, {}, write(tmp_path, "rpc_port = 1\n")))
    assert ":2: unknown setting 'rpc'" in str(fail({}, {}, write(tmp_path, "\n[rpc]\nport = 1\n")))


def test_unknown_variable_is_refused_with_the_nearest() -> None:
    error = fail({}, {"LOAM_RCP_PORT": "1"})
    assert str(error) == "environment variable LOAM_RCP_PORT is not a setting; did you mean LOAM_RPC_PORT?"
    assert error.exit_code == ExitCode.CONFIG


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ('rpc-port = "9944"\n', ":1", "rpc-port: expected a whole number, got '9944'"),
        ("rpc-port = 65536\n", ":1", "expected a whole number up to 65535, got 65536"),
        ("rpc-port = -1\n", ":1", "expected a whole number from 0, got -1"),
        ("rpc-port = 1.5\n", ":1", "expected a whole number"),
        ("rpc-port = true\n", ":1", "expected a whole number"),
        ("dev = 1\n", ":1", "expected true or false"),
        ("\nname = 5\n", ":2", "name: expected text, got 5"),
        ('rpc-methods = "all"\n', ":1", "expected one of auto, safe, unsafe, got 'all'"),
        ('dev-account = "mallory"\n', ":1", "expected one of alice, bob"),
        ("log = [1]\n", ":1", "log: expected text"),
        ("rpc-port = 2025-01-01\n", ":1", "expected a whole number"),
        ('"rpc-port" = []\n', ":1", "expected a whole number"),
    ],
)
def test_wrong_value_names_file_line_and_what_was_expected(
    tmp_path: Path, text: str, place: str, words: str
) -> None:
    file = write(tmp_path, text)
    error = fail({}, {}, file)
    assert error.exit_code == ExitCode.CONFIG
    assert str(error).startswith(f"{file}{place}: ")
    assert words in str(error)


@pytest.mark.parametrize(
    "text",
    [
        "rpc-port = \n",
        "a = 1\na = 2\n",
        "x = " + "[" * 20_000,
        "rpc-port = " + "9" * 5000,
        "name = 'a\n",
        "\x00",
    ],
)
def test_broken_toml_is_one_sentence(tmp_path: Path, text: str) -> None:
    file = write(tmp_path, text)
    error = fail({}, {}, file)
    assert error.exit_code == ExitCode.CONFIG
    assert str(error).startswith(f"{file}: not valid TOML: ")


def test_file_that_is_not_text_is_refused_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "loam.toml"
    file.write_bytes(b'# ok\nname = "\xff"\n')
    assert str(fail({}, {}, file)) == f"{file}:2: not UTF-8 text"


@pytest.mark.parametrize(("extra", "accepted"), [(0, True), (1, False)])
def test_file_has_a_largest_size(tmp_path: Path, extra: int, accepted: bool) -> None:
    file = write(tmp_path, "#" * (CONFIG_BYTES_MAX + extra))
    if accepted:
        load_config({}, {}, file)
    else:
        assert "larger than" in str(fail({}, {}, file))


@pytest.mark.parametrize("name", ["missing.toml", "."])
def test_unreadable_file_is_a_config_error(tmp_path: Path, name: str) -> None:
    error = fail({}, {}, tmp_path / name)
    assert error.exit_code == ExitCode.CONFIG
    assert "cannot read the configuration file" in str(error)


def test_wrong_flag_is_a_usage_error_and_names_the_flag() -> None:
    error = fail({"rpc_port": "seven"})
    assert isinstance(error, UsageError)
    assert str(error) == "--rpc-port: expected a whole number, got 'seven'"


def test_wrong_variable_is_a_config_error_and_names_it() -> None:
    error = fail({}, {"LOAM_POOL_LIMIT": "0"})
    assert isinstance(error, ConfigError)
    assert str(error) == "LOAM_POOL_LIMIT: expected a whole number from 1, got '0'"


def test_secrets_appear_in_no_message_and_no_print(tmp_path: Path) -> None:
    secret = "0x" + "ab" * 31
    assert secret not in str(fail({"node_key": secret}))
    resolved = load_config({"password": "hunter2", "node_key": "cd" * 32}, {})
    for text in (render_config(resolved), repr(resolved.config), str(resolved.config)):
        assert "hunter2" not in text
        assert "cdcd" not in text
    assert "hunter2" not in str(fail({}, {}, write(tmp_path, 'password = ["hunter2"]\n')))


def test_printed_configuration_shows_origins_and_can_be_loaded(tmp_path: Path) -> None:
    file = write(tmp_path, 'log = ["rpc=debug"]\n')
    resolved = load_config({"dev": True, "name": 'a "quoted" \\ näme'}, {"LOAM_RPC_PORT": "0"}, file)
    text = render_config(resolved)
    lines = {line.split(" = ")[0]: line for line in text.splitlines()}
    assert lines["dev"].endswith("# --dev")
    assert lines["rpc-port"].endswith("# LOAM_RPC_PORT")
    assert lines["log"].endswith(f"# {file}:1")
    assert lines["force-authoring"].endswith("# implied by --dev")
    assert lines["port"].endswith("# default")
    printed = write(tmp_path, text)
    assert load_config({}, {}, printed).config == resolved.config


def test_dev_implies_alice_authoring_open_rpc_and_no_trace_on_disk() -> None:
    config = load_config({"dev": True}, {}).config
    assert (config.chain, config.dev_account, config.name) == ("dev", "alice", "Alice")
    assert config.validator
    assert config.force_authoring
    assert config.tmp
    assert config.keystore_plain
    assert config.rpc_cors == ("all",)


def test_what_is_given_beats_what_dev_implies(tmp_path: Path) -> None:
    flags = {
        "dev": True,
        "base_path": str(tmp_path),
        "dev_account": "bob",
        "rpc_cors": ("http://a",),
        "chain": "x.json",
    }
    config = load_config(flags, {"LOAM_FORCE_AUTHORING": "false"}).config
    assert (config.chain, config.dev_account, config.name) == ("x.json", "bob", "Bob")
    assert (config.tmp, config.force_authoring, config.rpc_cors) == (False, False, ("http://a",))


def test_named_account_implies_name_and_validator() -> None:
    config, origins = load_config({"dev_account": "charlie"}, {})
    assert (config.name, config.validator, config.dev) == ("Charlie", True, False)
    assert str(origins["name"]) == "implied by --charlie"


@pytest.mark.parametrize(
    "flags",
    [
        {"tmp": True, "base_path": "/x"},
        {"node_key": "ab" * 32, "node_key_file": "/x"},
        {"password": "a", "password_filename": "/x"},
        {"password": "a", "password_interactive": True},
        {"password_filename": "/x", "password_interactive": True},
        {"allow_private_ip": True, "no_private_ip": True},
    ],
)
def test_two_names_for_one_thing_are_refused(flags: dict[str, object]) -> None:
    error = fail(flags)
    assert isinstance(error, UsageError)
    assert str(error).endswith("give only one of these")
    assert all(f"--{KEYS[name]}" in str(error) for name in flags)


def test_conflict_with_the_file_is_a_config_error(tmp_path: Path) -> None:
    file = write(tmp_path, 'base-path = "/x"\n')
    error = fail({"tmp": True}, {}, file)
    assert isinstance(error, ConfigError)
    assert str(error) == f"--tmp and {file}:1: base-path: give only one of these"


@pytest.mark.parametrize(
    "name", ["", "  ", "x" * 64, "a.b", "a@b", "http://x", "https:x", "WWW", "a\nb", "a\x1b[31m"]
)
def test_bad_node_names_are_refused(name: str) -> None:
    assert isinstance(fail({"name": name}), UsageError)


@pytest.mark.parametrize("name", ["x" * 63, "Alice", "näme 12-3_4"])
def test_good_node_names_are_accepted(name: str) -> None:
    assert load_config({"name": name}, {}).config.name == name


def test_validator_does_not_offer_its_rpc_to_the_world() -> None:
    flags: dict[str, object] = {"validator": True, "rpc_external": True}
    assert "--rpc-external and --validator" in str(fail(flags))
    assert load_config({**flags, "rpc_methods": "unsafe"}, {}).config.is_rpc_external()
    assert load_config({"validator": True, "unsafe_rpc_external": True}, {}).config.is_rpc_external()
    assert load_config({"dev": True, "rpc_external": True}, {}).config.is_rpc_external()


def test_external_rpc_serves_safe_methods_only_unless_told() -> None:
    assert not load_config({"rpc_external": True}, {}).config.is_unsafe_rpc_allowed()
    assert load_config({"rpc_external": True, "rpc_methods": "unsafe"}, {}).config.is_unsafe_rpc_allowed()
    assert not load_config({"rpc_methods": "safe"}, {}).config.is_unsafe_rpc_allowed()


def test_mock_signatures_are_for_dev_chains_only() -> None:
    assert isinstance(fail({"mock_signatures": True}), UsageError)
    assert isinstance(fail({"mock_signatures": True, "chain": "public"}), UsageError)
    assert load_config({"mock_signatures": True, "dev": True}, {}).config.mock_signatures


@pytest.mark.parametrize("key", ["", "ab", "zz" * 32, "ab" * 33, "0x" + "ab" * 31])
def test_bad_node_keys_are_refused(key: str) -> None:
    assert str(fail({"node_key": key})) == "--node-key: expected 64 hex digits"


@pytest.mark.parametrize(
    ("text", "seal"),
    [
        ("interval", IntervalSeal(None)),
        ("interval:10", IntervalSeal(10)),
        (f"interval:{SEAL_INTERVAL_MS_MAX}", IntervalSeal(SEAL_INTERVAL_MS_MAX)),
        ("instant", InstantSeal()),
        ("manual", ManualSeal()),
    ],
)
def test_seal_modes(text: str, seal: object) -> None:
    assert parse_seal(text) == seal
    assert load_config({"seal": text}, {}).config.get_seal() == seal


@pytest.mark.parametrize(
    "text",
    [
        "",
        "interval:",
        "interval:9",
        f"interval:{SEAL_INTERVAL_MS_MAX + 1}",
        "interval:1e3",
        "interval:-5",
        "Instant",
        "interval:10:10",
        "interval:²",
        "interval:" + "1" * 5000,
    ],
)
def test_bad_seal_modes_are_refused(text: str) -> None:
    assert str(fail({"seal": text})).startswith("--seal: expected interval, interval:MS")


@pytest.mark.parametrize("text", ["0", "-1", "all", "1.0", "4294967296", "٣", "9" * 5000, ""])
def test_bad_pruning_is_refused(text: str) -> None:
    assert isinstance(fail({"state_pruning": text}), UsageError)
    assert isinstance(fail({"blocks_pruning": text}), UsageError)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "5",
        "5:",
        f"5:0x{'0' * 63}",
        f"5:0x{'0' * 65}",
        f"5:0x{'g' * 64}",
        f"0:{'0' * 64}",
        f"4294967296:{'0' * 64}",
        f"-1:{'0' * 64}",
        f"\u0665:{'0' * 64}",
        f"5:{'0' * 64}:",
        f"5 :{'0' * 64}",
    ],
)
def test_bad_trusted_block_is_refused(text: str) -> None:
    assert isinstance(fail({"trusted_block": text, "sync": "warp"}), UsageError)


def test_trusted_block_is_a_number_and_a_hash_and_needs_a_state_from_peers() -> None:
    digits = "0f" * 32
    for text in (f"7:{digits}", f"7:0x{digits.upper()}"):
        flags = {"trusted_block": text, "sync": "fast"}
        assert load_config(flags, {}).config.get_trusted_block() == TrustedBlock(7, bytes.fromhex(digits))
    assert load_config({}, {}).config.get_trusted_block() is None
    assert parse_trusted_block(f"4294967295:{digits}").number == 2**32 - 1
    assert "--sync warp" in str(fail({"trusted_block": f"7:{digits}"}))


def test_pruning_is_a_number_or_an_archive() -> None:
    assert [parse_pruning(text) for text in ("1", "4294967295", "archive", "archive-canonical")] == [
        1,
        2**32 - 1,
        None,
        None,
    ]


@pytest.mark.parametrize(("name", "most"), [("max_parallel_downloads", 64), ("max_blocks_per_request", 128)])
def test_downloads_have_limits(name: str, most: int) -> None:
    assert getattr(load_config({name: str(most)}, {}).config, name) == most
    for value in (0, most + 1):
        assert name.replace("_", "-") in str(fail({name: str(value)}))


def test_rate_limit_networks_are_checked() -> None:
    config = load_config({"rpc_rate_limit_whitelisted_ips": ("10.0.0.1/8,::1",)}, {}).config
    assert config.rpc_rate_limit_whitelisted_ips == ("10.0.0.1/8", "::1")
    assert "expected a network" in str(fail({"rpc_rate_limit_whitelisted_ips": ("10.0.0.0/33",)}))


@given(st.sampled_from(sorted(KEYS)), st.text(max_size=50))
def test_any_text_for_any_setting_is_a_value_or_an_operator_error(name: str, text: str) -> None:
    with suppress(OperatorError):
        assert isinstance(load_config({name: text}, {}).config, Config)


@given(st.text(max_size=200))
def test_any_file_is_a_configuration_or_a_config_error(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    file = tmp_path_factory.getbasetemp() / "any.toml"
    file.write_text(text, encoding="utf-8", errors="surrogatepass")
    with suppress(ConfigError):
        load_config({}, {}, file)


def test_paths_are_those_of_substrate(tmp_path: Path) -> None:
    config = Config(base_path=str(tmp_path))
    assert config.get_chain_path("dev") == tmp_path / "chains" / "dev"
    assert config.get_keystore_path("dev") == tmp_path / "chains" / "dev" / "keystore"
    assert Config(keystore_path="/k").get_keystore_path("dev") == Path("/k")
    assert Config().get_base_path().name == "loam"
