"""Keys lie on disk for their owner alone, sealed or in Substrate's plain format, and every damage is
noticed.
"""

import json
import os
import stat
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node.config import ExitCode
from node.keystore import KeyId, Keystore, KeystoreError
from node.keystore.files import (
    SECRET_BYTES_MAX,
    is_open_to_others,
    read_private_file,
    read_private_text,
    write_private_file,
)
from node.keystore.sealed import MEMORY_BYTES_MAX, OPS_MAX, PASSWORD_BYTES_MAX, Sealer
from runtime.primitives.crypto import Keypair, Scheme

PHRASE = "bottom drive obey lake curtain smoke basket hold race lonely fit walk"


def get_only_file(path: Path) -> Path:
    (file,) = path.iterdir()
    return file


def fail(store: Keystore, key: KeyId) -> str:
    with pytest.raises(KeystoreError) as caught:
        store.get_keypair(*key)
    assert caught.value.exit_code == ExitCode.KEY_MISSING
    return str(caught.value)


def test_plain_file_is_that_of_substrate(tmp_path: Path) -> None:
    store = Keystore(tmp_path / "keys", plain=True)
    key = store.insert("aura", "//Alice", Scheme.SR25519)
    alice = Keypair.from_uri("//Alice", Scheme.SR25519)
    file = get_only_file(tmp_path / "keys")
    assert file.name == "61757261" + alice.public.hex()
    assert file.read_bytes() == b'"//Alice"'
    assert key == KeyId("aura", alice.public)


def test_file_is_0600_in_a_directory_0700(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        for plain in (True, False):
            path = tmp_path / str(plain) / "deep" / "keys"
            Keystore(path, password="x", plain=plain).insert("gran", "//Alice", Scheme.ED25519)
            assert path.stat().st_mode & 0o7777 == 0o700
            assert get_only_file(path).stat().st_mode & 0o7777 == 0o600
    finally:
        os.umask(old)


@pytest.mark.parametrize("scheme", list(Scheme))
@pytest.mark.parametrize("plain", [True, False])
def test_key_is_found_again_by_another_process(tmp_path: Path, scheme: Scheme, plain: bool) -> None:
    key = Keystore(tmp_path / "keys", password="pw", plain=plain).insert("gran", "//Bob", scheme)
    store = Keystore(tmp_path / "keys", password="pw", plain=plain)
    assert store.list_keys() == (key,)
    assert store.has_key(*key)
    pair = store.get_keypair(*key)
    assert (pair.public, pair.scheme) == (key.public, scheme)


def test_sealed_file_shows_nothing_of_the_secret(tmp_path: Path) -> None:
    key = Keystore(tmp_path / "keys", password="pw").insert("gran", PHRASE, Scheme.ED25519)
    file = get_only_file(tmp_path / "keys")
    assert file.name == key.get_file_name() + ".sealed"
    assert b"bottom" not in file.read_bytes()
    assert msgspec.msgpack.decode(file.read_bytes())["mem"] == 64 * 1024 * 1024


def test_sealed_keystore_needs_a_password_to_write_and_to_read(tmp_path: Path) -> None:
    with pytest.raises(KeystoreError, match="need a password"):
        Keystore(tmp_path / "keys").insert("gran", "//Alice", Scheme.ED25519)
    assert list((tmp_path / "keys").iterdir()) == []
    key = Keystore(tmp_path / "keys", password="pw").insert("gran", "//Alice", Scheme.ED25519)
    assert Keystore(tmp_path / "keys").list_keys() == (key,)
    assert "sealed: give --password" in fail(Keystore(tmp_path / "keys"), key)
    assert "wrong password" in fail(Keystore(tmp_path / "keys", password="pW"), key)


def test_plain_password_is_a_derivation_suffix(tmp_path: Path) -> None:
    key = Keystore(tmp_path / "keys", password="pw", plain=True).insert("gran", PHRASE, Scheme.ED25519)
    assert key.public == Keypair.from_uri(f"{PHRASE}///pw", Scheme.ED25519).public
    assert json.loads(get_only_file(tmp_path / "keys").read_text()) == PHRASE
    assert Keystore(tmp_path / "keys", password="pw").get_keypair(*key).public == key.public
    for password in (None, "other"):
        assert "missing or wrong" in fail(Keystore(tmp_path / "keys", password=password), key)


def test_directory_that_all_share_is_refused_without_advice_to_close_it(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys").chmod(0o1777)
    for shared in (tmp_path / "keys", Path("/")):
        with pytest.raises(KeystoreError, match="is shared with others; name one of the node's own"):
            Keystore(shared)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o660, 0o644])
def test_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    key = Keystore(tmp_path / "keys", plain=True).insert("gran", "//Alice", Scheme.ED25519)
    get_only_file(tmp_path / "keys").chmod(mode)
    text = fail(Keystore(tmp_path / "keys"), key)
    assert f"(mode {mode:04o}); run: chmod 600 {tmp_path}" in text


def test_file_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_private_file(tmp_path / "file", b"secret")
    real = os.fstat

    def owned_by_another(descriptor: int) -> os.stat_result:
        fields = list(real(descriptor))
        fields[stat.ST_UID] = os.geteuid() + 1
        return os.stat_result(fields)

    monkeypatch.setattr(os, "fstat", owned_by_another)
    with pytest.raises(KeystoreError, match=rf"belongs to another user \(uid {os.geteuid() + 1}\)"):
        read_private_file(tmp_path / "file")


def test_file_larger_than_any_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_private_file(path, b"x" * SECRET_BYTES_MAX)
    assert len(read_private_file(path)) == SECRET_BYTES_MAX
    write_private_file(path, b"x" * (SECRET_BYTES_MAX + 1))
    with pytest.raises(KeystoreError, match="larger than 16384 bytes"):
        read_private_file(path)


def test_text_of_a_private_file_is_read_without_its_line_end(tmp_path: Path) -> None:
    write_private_file(tmp_path / "file", "//é \r\n".encode())
    assert read_private_text(tmp_path / "file") == "//é"
    write_private_file(tmp_path / "file", b"//\xe9")
    with pytest.raises(KeystoreError, match="file is not UTF-8 text"):
        read_private_text(tmp_path / "file")


@pytest.mark.parametrize("mode", [0o750, 0o705, 0o710, 0o755])
def test_directory_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys").chmod(mode)
    with pytest.raises(KeystoreError, match=f"mode {mode:04o}.*chmod 700"):
        Keystore(tmp_path / "keys")


def test_path_that_is_no_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("")
    with pytest.raises(KeystoreError, match="not a directory"):
        Keystore(tmp_path / "keys")


@pytest.mark.parametrize(
    "content",
    [b"", b"null", b"5", b'["//Alice"]', b'"//Alice', b"//Alice", b'"\xff"', b'"\\ud800"', b'"not a phrase"',
     b'"//Bob"', b'""', b"[" * 10_000, b'"' + b"a" * 10_000 + b'"', b"x" * (SECRET_BYTES_MAX + 1)],
)  # fmt: skip
def test_malformed_plain_file_is_an_error_that_names_the_file_and_no_secret(
    tmp_path: Path, content: bytes
) -> None:
    key = Keystore(tmp_path / "keys", plain=True).insert("gran", "//Alice", Scheme.ED25519)
    file = get_only_file(tmp_path / "keys")
    file.write_bytes(content)
    text = fail(Keystore(tmp_path / "keys"), key)
    assert str(file) in text
    assert "//Bob" not in text


def test_links_and_pipes_are_not_followed(tmp_path: Path) -> None:
    key = Keystore(tmp_path / "keys", plain=True).insert("gran", "//Alice", Scheme.ED25519)
    file = get_only_file(tmp_path / "keys")
    elsewhere = tmp_path / "elsewhere"
    file.rename(elsewhere)
    file.symlink_to(elsewhere)
    assert "cannot be opened" in fail(Keystore(tmp_path / "keys"), key)
    file.unlink()
    os.mkfifo(file, 0o600)
    assert "not a regular file" in fail(Keystore(tmp_path / "keys"), key)
    file.unlink()
    file.mkdir(0o700)
    assert "not a regular file" in fail(Keystore(tmp_path / "keys"), key)


def test_missing_key_is_named(tmp_path: Path) -> None:
    text = fail(Keystore(tmp_path / "keys"), KeyId("gran", b"\x01" * 32))
    assert text == f"no key gran 0x{'01' * 32} in {tmp_path / 'keys'}"
    assert "in memory" in fail(Keystore(None), KeyId("gran", b"\x01" * 32))


def test_other_files_in_the_directory_are_not_keys(tmp_path: Path) -> None:
    store = Keystore(tmp_path / "keys", plain=True)
    for name in (
        "README",
        "61757261",
        "61757261" + "zz" * 32,
        "01020304" + "ab" * 32,
        "61757261" + "AB" * 32,
        ".x.tmp",
    ):
        (tmp_path / "keys" / name).write_text("")
    assert store.list_keys() == ()


def test_keystore_takes_keys_up_to_its_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.keystore.store.KEYS_MAX", 3)
    store = Keystore(tmp_path / "keys", plain=True)
    for name in ("//Alice", "//Bob", "//Charlie"):
        store.insert("gran", name, Scheme.ED25519)
    with pytest.raises(KeystoreError, match=r"keys holds 3 keys, which is the limit$"):
        store.insert("gran", "//Dave", Scheme.ED25519)
    assert len(list((tmp_path / "keys").iterdir())) == 3


def test_directory_of_far_too_many_keys_is_not_walked_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.keystore.store.KEYS_MAX", 3)
    store = Keystore(tmp_path / "keys", plain=True)
    for number in range(6):
        (tmp_path / "keys" / KeyId("gran", bytes([number]) * 32).get_file_name()).touch()
    assert len(store.list_keys()) == 6
    (tmp_path / "keys" / KeyId("gran", bytes([6]) * 32).get_file_name()).touch()
    with pytest.raises(KeystoreError, match=r"keys holds more than 3 keys$"):
        store.list_keys()


def test_keys_are_listed_in_order_and_by_type(tmp_path: Path) -> None:
    store = Keystore(tmp_path / "keys", plain=True)
    gran = store.insert("gran", "//Alice", Scheme.ED25519)
    aura = store.insert_ephemeral("aura", Keypair.from_uri("//Alice", Scheme.SR25519))
    assert store.list_keys() == (aura, gran)
    assert store.list_keys("gran") == (gran,)
    assert store.list_keys("babe") == ()


def test_ephemeral_keys_leave_no_file(tmp_path: Path) -> None:
    pair = Keypair.from_uri("//Alice", Scheme.ED25519)
    for store in (Keystore(None), Keystore(tmp_path / "keys")):
        key = store.insert_ephemeral("gran", pair)
        assert store.has_key(*key)
        assert store.get_keypair(*key) == pair
    assert list((tmp_path / "keys").iterdir()) == []


@pytest.mark.parametrize("key_type", ["", "gra", "grand", "gr n", "gr\x00n", "grän", "../x"[:3]])
def test_bad_key_types_are_refused(key_type: str) -> None:
    with pytest.raises(KeystoreError, match="four visible ASCII"):
        Keystore(None).insert(key_type, "//Alice", Scheme.ED25519)
    assert not Keystore(None).has_key(key_type, b"")


@pytest.mark.parametrize("suri", ["", "not a phrase", "0x1234", "//Alice/soft", "x" * 100_000])
def test_bad_secret_uris_are_refused_without_showing_them(tmp_path: Path, suri: str) -> None:
    with pytest.raises(KeystoreError) as caught:
        Keystore(tmp_path / "keys", plain=True).insert("gran", suri, Scheme.ED25519)
    assert not suri or suri not in str(caught.value)
    assert list((tmp_path / "keys").iterdir()) == []


def test_renamed_sealed_file_is_noticed(tmp_path: Path) -> None:
    store = Keystore(tmp_path / "keys", password="pw")
    key = store.insert("gran", "//Alice", Scheme.ED25519)
    other = KeyId("babe", key.public)
    get_only_file(tmp_path / "keys").rename(tmp_path / "keys" / f"{other.get_file_name()}.sealed")
    assert "another than the file's name says" in fail(Keystore(tmp_path / "keys", password="pw"), other)


SEALED = Sealer("pw").seal(b"secret")


def test_sealing_twice_gives_different_bytes() -> None:
    sealer = Sealer("pw")
    first, second = sealer.seal(b"x"), sealer.seal(b"x")
    assert first != second
    assert sealer.open(first) == sealer.open(second) == b"x"


@pytest.mark.slow
@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, len(SEALED) * 8 - 1))
def test_every_flipped_bit_of_a_sealed_file_is_noticed(bit: int) -> None:
    data = bytearray(SEALED)
    data[bit // 8] ^= 1 << bit % 8
    sealer = Sealer("pw")
    with pytest.raises(KeystoreError):
        sealer.open(bytes(data))


@pytest.mark.parametrize(
    "change",
    [{"v": 2}, {"mem": 64 * 1024 * 1024 + 1}, {"kdf": "scrypt"}, {"ops": 0}, {"ops": OPS_MAX + 1},
     {"mem": 1024}, {"mem": MEMORY_BYTES_MAX + 1024},
     {"salt": b"x"}, {"box": b"x" * 39}, {"more": 1}, {"mem": "64"},
     {"salt": "x" * 16}],
)  # fmt: skip
def test_containers_out_of_bounds_are_refused(change: dict[str, object]) -> None:
    data = msgspec.msgpack.encode({**msgspec.msgpack.decode(SEALED), **change})
    with pytest.raises(KeystoreError, match="not a sealed key of a version"):
        Sealer("pw").open(data)


@pytest.mark.parametrize(
    "data",
    [b"", b"\x00", SEALED[:-1], SEALED + b"\x00", b"\x91" * 10_000],
    ids=["empty", "zero", "cut", "longer", "nested"],
)
def test_truncated_and_foreign_containers_are_refused(data: bytes) -> None:
    with pytest.raises(KeystoreError):
        Sealer("pw").open(data)


def test_container_has_one_form() -> None:
    decoded = msgspec.msgpack.decode(SEALED)
    data = msgspec.msgpack.encode(dict(reversed(list(decoded.items()))))
    with pytest.raises(KeystoreError, match="canonical"):
        Sealer("pw").open(data)


@pytest.mark.parametrize(
    ("length", "accepted"), [(0, False), (PASSWORD_BYTES_MAX, True), (PASSWORD_BYTES_MAX + 1, False)]
)
def test_password_length_is_bounded(length: int, accepted: bool) -> None:
    if accepted:
        Sealer("x" * length)
    else:
        with pytest.raises(KeystoreError, match="1 to"):
            Sealer("x" * length)


def test_file_is_replaced_in_one_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_private_file(path, b"old")

    def fail_to_sync(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail_to_sync)
    with pytest.raises(OSError, match="No space"):
        write_private_file(path, b"new")
    assert read_private_file(path) == b"old"
    assert get_only_file(tmp_path) == path


def test_keys_open_to_readers_are_taken_where_that_is_allowed(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    key = Keystore(path, plain=True).insert("gran", "//Alice", Scheme.ED25519)
    path.chmod(0o755)
    get_only_file(path).chmod(0o644)
    assert is_open_to_others(path)
    assert Keystore(path, may_be_open=True).get_keypair(*key).public == key.public


def test_keys_open_to_writers_are_never_taken(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    key = Keystore(path, plain=True).insert("gran", "//Alice", Scheme.ED25519)
    get_only_file(path).chmod(0o664)
    with pytest.raises(KeystoreError, match=r"mode 0664.*chmod 644"):
        Keystore(path, may_be_open=True).get_keypair(*key)
    path.chmod(0o775)
    with pytest.raises(KeystoreError, match=r"mode 0775.*chmod 755"):
        Keystore(path, may_be_open=True)
    path.chmod(0o1777)
    with pytest.raises(KeystoreError, match="is shared with others"):
        Keystore(path, may_be_open=True)
