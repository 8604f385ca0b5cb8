"""Keys are shown, made, stored and used as `subkey` does it, and secrets appear only where they are asked
for.
"""

import io
import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from node.config import ExitCode
from node.keystore import Keystore
from node.network.identity import parse_peer_id
from runtime.primitives.crypto import Keypair, Scheme, verify
from tests.node.cli.running import Loam

PHRASE = "bottom drive obey lake curtain smoke basket hold race lonely fit walk"
# What subkey 3.0.0 prints of the development phrase.
PHRASE_JSON = {
    "secretPhrase": PHRASE,
    "networkId": "substrate",
    "secretSeed": "0xfac7959dbfe72f052e5a0c3c8d6530f202b02fd8f9f5ca3580ec8deb7797479e",
    "publicKey": "0x46ebddef8cd9bb167dc30878d7113b7e168e6f0646beffd77d69d39bad76b47a",
    "ss58PublicKey": "5DfhGyQdFobKM8NsWvEeAKk5EQQgYe9AydgJ7rMB6E1EqRzV",
    "accountId": "0x46ebddef8cd9bb167dc30878d7113b7e168e6f0646beffd77d69d39bad76b47a",
    "ss58Address": "5DfhGyQdFobKM8NsWvEeAKk5EQQgYe9AydgJ7rMB6E1EqRzV",
}
ALICE = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"
ALICE_HEX = "0xd43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d"
ALICE_ED25519 = "0x88dc3417d5058ec4b4503e0c12ea1a0a89be200fe98922423d4334014fa6b0ee"


def stdin(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    fake = SimpleNamespace(buffer=io.BytesIO(data), isatty=lambda: False)
    monkeypatch.setattr("node.cli.key.sys.stdin", fake)


def test_phrase_is_inspected_as_subkey_does_it(loam: Loam) -> None:
    assert json.loads(loam.ok("key", "inspect", PHRASE, "--output-type", "json")) == PHRASE_JSON
    lines = loam.ok("key", "inspect", PHRASE).splitlines()
    assert lines[0] == f"Secret phrase:       {PHRASE}"
    assert lines[1] == "  Network ID:        substrate"
    assert lines[-1] == f"  SS58 Address:      {PHRASE_JSON['ss58Address']}"


def test_uri_address_seed_and_public_key_are_inspected(loam: Loam) -> None:
    uri = json.loads(loam.ok("key", "inspect", "//Alice", "--output-type", "json"))
    assert (uri["secretKeyUri"], uri["ss58Address"]) == ("//Alice", ALICE)
    address = json.loads(loam.ok("key", "inspect", ALICE, "--output-type", "JSON"))
    assert (address["publicKeyUri"], address["publicKey"]) == (ALICE, ALICE_HEX)
    public = json.loads(loam.ok("key", "inspect", "--public", ALICE_HEX, "--output-type", "json"))
    assert "secretSeed" not in public
    assert public["ss58Address"] == ALICE
    seed = json.loads(loam.ok("key", "inspect", PHRASE_JSON["secretSeed"], "--output-type", "json"))
    assert seed["ss58Address"] == PHRASE_JSON["ss58Address"]


def test_secret_seed_is_shown_where_there_is_one(loam: Loam) -> None:
    alice = json.loads(loam.ok("key", "inspect", "//Alice", "--output-type", "json"))
    assert alice["secretSeed"] == "0xe5be9a5092b81bca64be81d212e7f2f9eba183bb7a90954f7b76361f6edb5c0a"
    again = json.loads(loam.ok("key", "inspect", alice["secretSeed"], "--output-type", "json"))
    assert again["ss58Address"] == ALICE
    assert f"  Secret seed:       {alice['secretSeed']}" in loam.ok("key", "inspect", "//Alice").splitlines()
    assert "  Secret seed:       n/a" in loam.ok("key", "inspect", "//Alice/soft").splitlines()
    salted = json.loads(loam.ok("key", "inspect", "//Alice", "--password", "pw", "--output-type", "json"))
    assert salted["secretSeed"] != alice["secretSeed"]


def test_scheme_network_and_password_change_the_key(loam: Loam) -> None:
    ed25519 = json.loads(loam.ok("key", "inspect", "//Alice", "--scheme", "Ed25519", "--output-type", "json"))
    assert ed25519["publicKey"] == ALICE_ED25519
    ecdsa = json.loads(loam.ok("key", "inspect", "//Alice", "--scheme", "ecdsa", "--output-type", "json"))
    assert len(ecdsa["publicKey"]) == 68
    for network, first in (("polkadot", "1"), ("0", "1"), ("kusama", ("C", "D", "E", "F", "G", "H", "J"))):
        shown = json.loads(loam.ok("key", "inspect", "//Alice", "-n", network, "--output-type", "json"))
        assert shown["ss58Address"].startswith(first)
    with_password = json.loads(loam.ok("key", "inspect", PHRASE, "--password", "pw", "--output-type", "json"))
    assert (
        with_password["publicKey"] == "0x" + Keypair.from_uri(f"{PHRASE}///pw", Scheme.SR25519).public.hex()
    )


def test_secret_may_be_in_a_file(loam: Loam, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{PHRASE}\n")
    assert json.loads(loam.ok("key", "inspect", file, "--output-type", "json")) == PHRASE_JSON


def test_expected_public_key_is_compared(loam: Loam) -> None:
    loam.ok("key", "inspect", "//Alice", "--expect-public", ALICE_HEX)
    loam.ok("key", "inspect", "//Alice", "--expect-public", ALICE)
    loam.fail(ExitCode.ERROR, "key", "inspect", "//Alice", "--expect-public", ALICE_ED25519)


@pytest.mark.parametrize(
    "arguments",
    [
        ["inspect", "swordfish is no phrase"],
        ["inspect", "0x1234"],
        ["inspect", ALICE[:-1]],
        ["inspect", "//Alice/soft", "--scheme", "ed25519"],
        ["inspect", "--public", "zz"],
        ["inspect", "--public", "0x" + "ab" * 31],
        ["inspect", "//Alice", "--scheme", "bls"],
        ["inspect", "//Alice", "-n", "nowhere"],
        ["inspect", "//Alice", "-n", "99999"],
        ["inspect", "//Alice", "-n", "46"],
        ["inspect", "//Alice", "--output-type", "xml"],
        ["inspect", "\ud800"],
        ["generate", "--words", "13"],
        ["generate", "--words", "x"],
        ["sign", "--suri", "swordfish", "--message", "x"],
        ["sign", "--suri", "//Alice", "--message", "0xz", "--hex"],
        ["verify", "0xzz", ALICE, "--message", "x"],
        ["verify", "0x" + "00" * 64, "nobody", "--message", "x"],
    ],
)
def test_bad_keys_are_refused_without_showing_them(loam: Loam, arguments: list[str]) -> None:
    assert "swordfish" not in loam.fail(ExitCode.USAGE, "key", *arguments)


def test_file_that_is_no_secret_is_refused(loam: Loam, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    for content in (b"\xff\xfe", b"a" * 10_000):
        file.write_bytes(content)
        loam.fail(ExitCode.USAGE, "key", "inspect", file)


@pytest.mark.parametrize("words", [12, 15, 18, 21, 24])
def test_generated_phrases_are_new_and_have_the_words_asked_for(loam: Loam, words: int) -> None:
    first = json.loads(loam.ok("key", "generate", "--words", str(words), "--output-type", "json"))
    second = json.loads(loam.ok("key", "generate", "-w", str(words), "--output-type", "json"))
    assert len(first["secretPhrase"].split()) == words
    assert first["secretPhrase"] != second["secretPhrase"]
    assert json.loads(loam.ok("key", "inspect", first["secretPhrase"], "--output-type", "json")) == first


@pytest.mark.parametrize("scheme", ["sr25519", "ed25519", "ecdsa"])
def test_signature_is_verified(loam: Loam, scheme: str) -> None:
    signature = loam.ok("key", "sign", "--suri", "//Alice", "--scheme", scheme, "--message", "hello").strip()
    pair = Keypair.from_uri("//Alice", Scheme[scheme.upper()])
    assert verify(pair.scheme, pair.public, bytes.fromhex(signature[2:]), b"hello")
    public = "0x" + pair.public.hex()
    arguments = ["key", "verify", signature, public, "--scheme", scheme]
    assert loam.ok(*arguments, "--message", "68656c6c6f", "--hex") == "Signature verifies correctly.\n"
    assert "invalid" in loam.fail(ExitCode.ERROR, *arguments, "--message", "hellO")


def test_signature_of_the_wrong_length_is_invalid(loam: Loam) -> None:
    assert "invalid" in loam.fail(ExitCode.ERROR, "key", "verify", "0x00", ALICE, "--message", "x")


def test_message_may_come_from_standard_input(loam: Loam, monkeypatch: pytest.MonkeyPatch) -> None:
    stdin(monkeypatch, b"\x00\xff binary\n")
    signature = loam.ok("key", "sign", "--suri", "//Alice", "--scheme", "ed25519").strip()
    expected = Keypair.from_uri("//Alice", Scheme.ED25519).sign(b"\x00\xff binary\n")
    assert signature == "0x" + expected.hex()
    stdin(monkeypatch, b"0x00ff\n")
    hexed = loam.ok("key", "sign", "--suri", "//Alice", "--scheme", "ed25519", "--hex").strip()
    assert hexed == "0x" + Keypair.from_uri("//Alice", Scheme.ED25519).sign(b"\x00\xff").hex()


def test_key_is_inserted_where_the_node_looks(loam: Loam, tmp_path: Path) -> None:
    loam.ok("key", "insert", "--dev", "-d", tmp_path, "--suri", "//Alice", "--key-type", "gran")
    path = tmp_path / "chains" / "dev" / "keystore"
    (key,) = Keystore(path).list_keys("gran")
    assert "0x" + key.public.hex() == ALICE_ED25519  # the scheme of grandpa keys is fixed
    assert [file.read_text() for file in path.iterdir()] == ['"//Alice"']  # plain on dev chains


def test_key_of_a_real_chain_is_sealed(loam: Loam, tmp_path: Path) -> None:
    base = ["key", "insert", "--chain", "local", "-d", str(tmp_path), "--key-type", "babe", "--suri", PHRASE]
    assert "need a password" in loam.fail(ExitCode.KEY_MISSING, *base)
    password = tmp_path / "password"
    password.write_text("pw")
    loam.ok(*base, "--password-filename", str(password))
    path = tmp_path / "chains" / "local_testnet" / "keystore"
    (file,) = path.iterdir()
    assert file.suffix == ".sealed"
    (key,) = Keystore(path).list_keys()
    assert Keystore(path, password="pw").get_keypair(*key).scheme == Scheme.SR25519


def test_plain_insert_is_substrates_format(loam: Loam, tmp_path: Path) -> None:
    loam.ok("key", "insert", "--chain", "local", "--keystore-path", tmp_path / "k", "--keystore-plain",
            "--key-type", "aura", "--scheme", "sr25519", "--suri", "//Alice")  # fmt: skip
    (file,) = (tmp_path / "k").iterdir()
    assert file.name == "61757261" + ALICE_HEX[2:]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--suri", "//Alice", "--key-type", "gr"], ExitCode.KEY_MISSING),
        (["--suri", "swordfish", "--key-type", "gran"], ExitCode.KEY_MISSING),
        (["--suri", "//Alice"], ExitCode.USAGE),
        (["--suri", "//Alice", "--key-type", "gran", "--chain", "nowhere"], ExitCode.CONFIG),
        (
            ["--suri", "//Alice", "--key-type", "gran", "--password", "a", "--password-interactive"],
            ExitCode.USAGE,
        ),
    ],
)
def test_bad_inserts_are_refused(loam: Loam, tmp_path: Path, arguments: list[str], code: ExitCode) -> None:
    assert "swordfish" not in loam.fail(code, "key", "insert", "--dev", "-d", tmp_path, *arguments)
    assert not list(tmp_path.rglob("6772616e*"))


def test_node_key_is_printed_with_its_peer_id(loam: Loam) -> None:
    outcome = loam("key", "generate-node-key")
    peer = outcome.err.strip()
    pair = Keypair.from_seed(bytes.fromhex(outcome.out.strip()), Scheme.ED25519)
    assert parse_peer_id(peer) == pair.public


@pytest.mark.parametrize("is_binary", [True, False])
def test_node_key_file_is_made_once_and_inspected(loam: Loam, tmp_path: Path, is_binary: bool) -> None:
    file = tmp_path / "deep" / "key"
    extra = ["--bin"] if is_binary else []
    made = loam("key", "generate-node-key", "--file", file, *extra)
    assert (made.code, made.out) == (0, "")
    assert file.stat().st_size == (32 if is_binary else 64)
    assert file.stat().st_mode & 0o777 == 0o600
    assert loam.ok("key", "inspect-node-key", "--file", file) == made.err
    assert "never overwritten" in loam.fail(ExitCode.USAGE, "key", "generate-node-key", "--file", file)
    file.chmod(0o644)
    loam.fail(ExitCode.KEY_MISSING, "key", "inspect-node-key", "--file", file)


def test_node_key_goes_where_the_node_looks(loam: Loam, tmp_path: Path) -> None:
    loam.ok("key", "generate-node-key", "--chain", "dev", "-d", tmp_path)
    assert (tmp_path / "chains" / "dev" / "network" / "secret_ed25519").exists()


def test_node_key_is_inspected_from_standard_input(loam: Loam, monkeypatch: pytest.MonkeyPatch) -> None:
    stdin(monkeypatch, b"00" * 31 + b"01\n")
    assert re.fullmatch(r"12D3KooW\w{44}\n", loam.ok("key", "inspect-node-key"))
    stdin(monkeypatch, b"nonsense")
    assert "standard input" in loam.fail(ExitCode.KEY_MISSING, "key", "inspect-node-key")
