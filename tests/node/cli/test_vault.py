"""`loam vault`: what people type, what they see, and the exit codes that scripts read."""

import fcntl
import json
import stat
from pathlib import Path
from typing import Any

import click
import pytest

from node.config import ExitCode
from runtime.primitives.ss58 import encode_address
from tests.node.cli.running import Loam
from tests.support.chain import ALICE

SUBJECT = encode_address(ALICE, 42)
WHY = ("--purpose", "review")


@pytest.fixture
def vault(loam: Loam, tmp_path: Path) -> Any:
    """Return the options of a new vault."""
    options = ("--vault", tmp_path / "vault", "--master-key-file", tmp_path / "master.key")
    loam.ok("vault", "init", *options)
    return options


@pytest.fixture
def record(tmp_path: Path) -> Path:
    path = tmp_path / "record.json"
    path.write_text('{ "name": "สมชาย", "born": 19840711 }', encoding="utf-8")
    return path


def test_a_record_goes_in_comes_out_and_is_erased(
    loam: Loam, vault: Any, record: Path, tmp_path: Path
) -> None:
    stored = json.loads(loam.ok("vault", "put", SUBJECT, "identity", record, *WHY, *vault))
    assert stored["version"] == 1
    assert loam.ok("vault", "show", SUBJECT, "identity", "1", *WHY, *vault) == (
        '{"born":19840711,"name":"สมชาย"}\n'
    )
    assert stored["commitment"] in loam.ok("vault", "list", f"0x{ALICE.hex()}", *WHY, *vault)
    output = tmp_path / "export.json"
    loam.ok("vault", "export", SUBJECT, "-o", output, *WHY, *vault)
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    assert "1 records and 0 erasures" in loam.ok("vault", "verify", output)
    told = json.loads(loam.ok("vault", "erase", SUBJECT, "--yes", "--request", "3", *WHY, *vault))
    gone = loam.fail(ExitCode.ERROR, "vault", "show", SUBJECT, "identity", "1", *WHY, *vault)
    assert told["tombstone"] in gone
    assert "erased" in loam.ok("vault", "list", SUBJECT, *WHY, *vault)
    status = json.loads(loam.ok("vault", "status", "--check", *vault))
    assert (status["records"], status["erased"], status["calls"]) == (0, 1, {"queued": 1})
    actions = [json.loads(line)["action"] for line in loam.ok("vault", "log", *vault).splitlines()]
    assert actions == ["put", "show", "list", "export", "erase", "erase", "show", "list"]


def test_the_master_key_is_its_owners_alone_and_not_beside_the_vault(loam: Loam, tmp_path: Path) -> None:
    folder = tmp_path / "vault"
    inside = loam.fail(
        ExitCode.USAGE, "vault", "init", "--vault", folder, "--master-key-file", folder / "key"
    )
    assert "beside what it opens" in inside
    key = tmp_path / "key"
    loam.ok("vault", "init", "--vault", folder, "--master-key-file", key)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    key.chmod(0o644)
    assert "chmod 600" in loam.fail(
        ExitCode.KEY_MISSING, "vault", "status", "--vault", folder, "--master-key-file", key
    )


def test_wrong_keys_and_missing_vaults_have_exit_codes(loam: Loam, vault: Any, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.key"
    wrong.write_text("00" * 32)
    wrong.chmod(0o600)
    loam.fail(ExitCode.KEY_MISSING, "vault", "status", *vault[:2], "--master-key-file", wrong)
    phrase = tmp_path / "phrase"
    phrase.write_text("a phrase\n")
    phrase.chmod(0o600)
    loam.fail(ExitCode.KEY_MISSING, "vault", "status", *vault[:2], "--passphrase-file", phrase)
    loam.fail(ExitCode.USAGE, "vault", "status", *vault, "--passphrase-file", phrase)
    loam.fail(ExitCode.CONFIG, "vault", "status", "--vault", tmp_path / "none", *vault[2:])
    wrong.write_text("no key")
    loam.fail(ExitCode.USAGE, "vault", "status", *vault[:2], "--master-key-file", wrong)
    loam.fail(ExitCode.ERROR, "vault", "init", *vault)


@pytest.mark.slow
def test_a_passphrase_may_take_the_place_of_a_file(
    loam: Loam, vault: Any, record: Path, tmp_path: Path
) -> None:
    phrase = tmp_path / "phrase"
    phrase.write_text("a phrase\n")
    phrase.chmod(0o600)
    loam.ok("vault", "put", SUBJECT, "identity", record, *WHY, *vault)
    assert "Master key 2" in loam.ok("vault", "rotate-master-key", "--new-passphrase-file", phrase, *vault)
    loam.fail(ExitCode.KEY_MISSING, "vault", "status", *vault)
    opened = (*vault[:2], "--passphrase-file", phrase)
    assert "สมชาย" in loam.ok("vault", "show", SUBJECT, "identity", "1", *WHY, *opened)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("show", SUBJECT, "identity", "1"), ExitCode.USAGE),
        (("show", SUBJECT, "secret", "1", *WHY), ExitCode.USAGE),
        (("show", SUBJECT, "identity", "0", *WHY), ExitCode.USAGE),
        (("show", SUBJECT, "identity", "2", *WHY), ExitCode.ERROR),
        (("show", "../keys.db", "identity", "1", *WHY), ExitCode.USAGE),
        (("list", SUBJECT, *WHY, "--reference", "a name"), ExitCode.USAGE),
        (("list", SUBJECT, "--purpose", "curiosity"), ExitCode.USAGE),
        (("submit", SUBJECT, *WHY), ExitCode.USAGE),
        (("submit", SUBJECT, *WHY, "--call", "freeze"), ExitCode.USAGE),
        (("submit", SUBJECT, *WHY, "--call", "verify_dsr", "-a", "request"), ExitCode.USAGE),
        (("submit", SUBJECT, *WHY, "--call", "verify_dsr"), ExitCode.USAGE),
        (
            ("submit", SUBJECT, *WHY, "--call", "verify_dsr", "-a", "request=1", "--kind", "answer"),
            ExitCode.USAGE,
        ),
        (("deliver",), ExitCode.USAGE),
        (("deliver", "--retry", "9"), ExitCode.USAGE),
        (("officer", "add", "Ann", "--role", "privacy"), ExitCode.USAGE),
        (("officer", "add", "ann", "--role", "custodian"), ExitCode.USAGE),
        (("officer", "revoke", "ann"), ExitCode.USAGE),
        (("erase", SUBJECT, "--yes", *WHY), ExitCode.ERROR),
        (("serve", "--host", "0.0.0.0", "--port", "0"), ExitCode.USAGE),
    ],
    ids=lambda one: " ".join(map(str, one))[:60] if isinstance(one, tuple) else str(one),
)
def test_other_arguments_are_refused(
    loam: Loam, vault: Any, arguments: tuple[str, ...], code: ExitCode
) -> None:
    outcome = loam("vault", *arguments, *vault)
    assert outcome.code == code, outcome


@pytest.mark.parametrize("text", ["", "[]", '{"a": 1.5}', '{"a": 1, "a": 2}', "{" * 70_000, "x" * 200_000])
def test_a_file_that_holds_no_record_is_refused(loam: Loam, vault: Any, tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text)
    loam.fail(ExitCode.USAGE, "vault", "put", SUBJECT, "identity", path, *WHY, *vault)
    assert json.loads(loam.ok("vault", "status", *vault))["records"] == 0


def test_one_record_is_found_and_erased(loam: Loam, vault: Any, record: Path) -> None:
    stored = json.loads(loam.ok("vault", "put", SUBJECT, "identity", record, *WHY, *vault))
    loam.ok("vault", "put", SUBJECT, "identity", record, *WHY, *vault)
    found = loam.ok("vault", "find", stored["commitment"], *WHY, *vault)
    assert found == f"0x{ALICE.hex()} identity 1\n"
    which = ("--kind", "identity", "--version", "1", "--yes")
    loam.ok("vault", "erase", SUBJECT, *which, *WHY, *vault)
    assert "สมชาย" in loam.ok("vault", "show", SUBJECT, "identity", "2", *WHY, *vault)
    loam.fail(ExitCode.ERROR, "vault", "erase", SUBJECT, *which, *WHY, *vault)
    loam.fail(ExitCode.USAGE, "vault", "erase", SUBJECT, *which, "--request", "1", *WHY, *vault)
    loam.fail(ExitCode.USAGE, "vault", "find", "0x", *WHY, *vault)


def test_erasing_asks_first(loam: Loam, vault: Any, record: Path) -> None:
    loam.ok("vault", "put", SUBJECT, "identity", record, *WHY, *vault)
    assert loam("vault", "erase", SUBJECT, *WHY, *vault).code == ExitCode.ERROR  # nobody says yes
    assert "สมชาย" in loam.ok("vault", "show", SUBJECT, "identity", "1", *WHY, *vault)


def test_officers_come_and_go(loam: Loam, vault: Any) -> None:
    token = loam.ok("vault", "officer", "add", "ann", "--role", "privacy", *vault).strip()
    assert token.startswith("loamv1.ann.")
    loam.ok("vault", "officer", "revoke", "ann", *vault)
    listed = loam.ok("vault", "officer", "list", *vault)
    assert "ann" in listed
    assert "until" in listed
    log = loam.ok("vault", "log", *vault)
    assert "ann appointed" in log
    assert "ann dismissed" in log
    assert token.rpartition(".")[2] not in log


def test_the_environment_cannot_make_the_log_name_somebody_else(
    loam: Loam, vault: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody-else")
    loam.ok("vault", "officer", "add", "ann", "--role", "privacy", *vault)
    assert "somebody-else" not in loam.ok("vault", "log", *vault)


def test_who_reads_restricted_entries_is_in_the_log_also_when_the_reader_breaks_off(
    loam: Loam, vault: Any, record: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loam.ok("vault", "put", SUBJECT, "case", record, *WHY, *vault)

    def break_off(_: object) -> None:
        raise click.Abort

    with monkeypatch.context() as patched:
        patched.setattr("node.cli.vault.orjson.dumps", break_off)
        loam("vault", "log", "--restricted", *vault)
    assert "restricted entries read" in loam.ok("vault", "log", *vault)


def test_a_slow_reader_of_the_log_holds_up_nobody(
    loam: Loam, vault: Any, record: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loam.ok("vault", "put", SUBJECT, "identity", record, *WHY, *vault)
    locked = []

    def read_slowly(_: object) -> None:
        with (tmp_path / "vault" / "lock").open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        locked.append(True)

    with monkeypatch.context() as patched:
        patched.setattr("node.cli.vault.click.echo", read_slowly)
        loam("vault", "log", *vault)
    assert locked == [True]


def test_a_key_beside_the_vault_is_refused_by_any_of_its_names(loam: Loam, tmp_path: Path) -> None:
    (tmp_path / "vault").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "vault")
    for key in ("link/key", "vault/../vault/key"):
        arguments = ("--vault", tmp_path / "vault", "--master-key-file", tmp_path / key)
        assert "beside what it opens" in loam.fail(ExitCode.USAGE, "vault", "init", *arguments)


def test_a_backup_has_no_keys_and_overwrites_nothing(
    loam: Loam, vault: Any, record: Path, tmp_path: Path
) -> None:
    loam.ok("vault", "put", SUBJECT, "identity", record, *WHY, *vault)
    target = tmp_path / "copy.db"
    loam.ok("vault", "backup", target, *vault)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    loam.fail(ExitCode.ERROR, "vault", "backup", target, *vault)


def test_a_document_that_proves_nothing_has_exit_code_1(loam: Loam, tmp_path: Path) -> None:
    path = tmp_path / "export.json"
    path.write_text("{}")
    outcome = loam("vault", "verify", path)
    assert outcome.code == ExitCode.ERROR
    assert "Not proven" in outcome.err


def test_damage_has_its_exit_code(loam: Loam, vault: Any, record: Path) -> None:
    loam.ok("vault", "put", SUBJECT, "identity", record, *WHY, *vault)
    path = Path(vault[1]) / "records.db"
    data = path.read_bytes()
    path.write_bytes(data.replace(b"local:", b"nobody"))
    loam.fail(ExitCode.DATABASE_CORRUPT, "vault", "status", "--check", *vault)
