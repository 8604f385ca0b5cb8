"""The network key is stable: given, read, or made once; a validator never makes one by accident."""

from pathlib import Path

import pytest

from node.config import Config
from node.keystore import KeystoreError, get_node_key, parse_node_key, read_password
from runtime.primitives.crypto import Keypair, Scheme

SEED = bytes(range(32))
PUBLIC = Keypair.from_seed(SEED, Scheme.ED25519).public


def never_ask() -> str:
    raise AssertionError("nobody is there to ask")


@pytest.mark.parametrize(
    "data", [SEED, SEED.hex().encode(), b"0x" + SEED.hex().encode(), SEED.hex().upper().encode() + b"\n"]
)
def test_key_is_raw_or_hex(data: bytes) -> None:
    assert parse_node_key(data, "here").public == PUBLIC


@pytest.mark.parametrize(
    "data", [b"", SEED[:-1], SEED + b"\x00", b"zz" * 32, b"\xff" * 64, SEED.hex().encode()[:-1]]
)
def test_malformed_key_names_its_place_and_shows_nothing(data: bytes) -> None:
    with pytest.raises(KeystoreError, match=r"^here: expected a network key of 32 bytes or 64 hex digits$"):
        parse_node_key(data, "here")


def test_given_key_leaves_no_file(tmp_path: Path) -> None:
    assert get_node_key(Config(base_path=str(tmp_path), node_key=SEED.hex()), "dev").public == PUBLIC
    assert list(tmp_path.iterdir()) == []


def test_key_is_made_once_and_kept_for_its_owner(tmp_path: Path) -> None:
    config = Config(base_path=str(tmp_path))
    first = get_node_key(config, "dev")
    file = tmp_path / "chains" / "dev" / "network" / "secret_ed25519"
    assert file.stat().st_mode & 0o7777 == 0o600
    assert get_node_key(config, "dev").public == first.public
    assert get_node_key(config, "other").public != first.public


def test_named_file_is_read_and_made(tmp_path: Path) -> None:
    file = tmp_path / "private" / "key"
    config = Config(node_key_file=str(file))
    assert get_node_key(config, "dev").public == get_node_key(config, "dev").public
    file.write_bytes(SEED)
    assert get_node_key(config, "dev").public == PUBLIC
    file.chmod(0o640)
    with pytest.raises(KeystoreError, match="chmod 600"):
        get_node_key(config, "dev")


def test_named_file_may_stand_where_others_read(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    file = tmp_path / "key"
    get_node_key(Config(node_key_file=str(file)), "dev")
    assert file.stat().st_mode & 0o7777 == 0o600


def test_validator_does_not_start_with_a_fresh_identity_unless_told(tmp_path: Path) -> None:
    config = Config(base_path=str(tmp_path), validator=True)
    with pytest.raises(KeystoreError, match=r"needs a stable network key.*loam key generate-node-key --file"):
        get_node_key(config, "dev")
    assert list(tmp_path.iterdir()) == []
    base = str(tmp_path / "a")
    get_node_key(Config(base_path=base, validator=True, dev=True), "dev")
    get_node_key(Config(base_path=base, validator=True, unsafe_force_node_key_generation=True), "local")


def test_validator_with_an_existing_key_starts(tmp_path: Path) -> None:
    key = get_node_key(Config(base_path=str(tmp_path)), "dev")
    assert get_node_key(Config(base_path=str(tmp_path), validator=True), "dev").public == key.public


def test_password_comes_from_setting_file_or_terminal(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("from file\n")
    assert read_password(Config(), never_ask) is None
    assert read_password(Config(password="given"), never_ask) == "given"
    assert read_password(Config(password_filename=str(file)), never_ask) == "from file"
    assert read_password(Config(password_interactive=True), lambda: "typed") == "typed"


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\n", b"x" * 5000, b"two\nlines\n"])
def test_bad_password_files_are_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "password"
    file.write_bytes(content)
    with pytest.raises(KeystoreError, match=str(file)):
        read_password(Config(password_filename=str(file)), never_ask)


def test_password_file_larger_than_any_password_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_bytes(b"x" * 4096)
    assert read_password(Config(password_filename=str(file)), never_ask) == "x" * 4096
    file.write_bytes(b"x" * 4097)
    with pytest.raises(KeystoreError, match="larger than 4096 bytes"):
        read_password(Config(password_filename=str(file)), never_ask)


def test_missing_password_file_and_empty_answer_are_refused(tmp_path: Path) -> None:
    with pytest.raises(KeystoreError, match="cannot read the password file"):
        read_password(Config(password_filename=str(tmp_path)), never_ask)
    with pytest.raises(KeystoreError, match="is empty"):
        read_password(Config(password_interactive=True), lambda: "")
