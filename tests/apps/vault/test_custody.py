"""The custodian's work: master keys, folders and backups, also with a program that runs meanwhile."""

import errno
import stat
from pathlib import Path
from unittest.mock import patch

import pytest

from apps.vault.errors import BadInput, WrongMasterKey
from apps.vault.policy import Kind, Place
from apps.vault.vault import Vault
from tests.apps.vault.making import (
    ALICE,
    CUSTODIAN,
    KNOWS,
    OTHER,
    PHRASE,
    REASON,
    SECRET,
    SOMCHAI,
    make_vault,
    open_vault,
)

IDENTITY = Place(ALICE, Kind.IDENTITY, 1)


def test_a_program_that_was_running_when_the_master_key_changed_loses_nothing(tmp_path: Path) -> None:
    with make_vault(tmp_path) as service:
        service.put(KNOWS, REASON, ALICE, Kind.IDENTITY, SOMCHAI)
        with open_vault(tmp_path) as command:
            command.rotate_master_key(CUSTODIAN, REASON, OTHER)
        with pytest.raises(WrongMasterKey):  # or its key would be sealed by one that is destroyed
            service.put(KNOWS, REASON, ALICE, Kind.IDENTITY, SOMCHAI)
        with pytest.raises(WrongMasterKey):
            service.show(KNOWS, REASON, IDENTITY)
        with pytest.raises(WrongMasterKey):
            service.rotate_master_key(CUSTODIAN, REASON, PHRASE)
    with open_vault(tmp_path, OTHER) as vault:
        vault.check(CUSTODIAN)
        assert vault.put(KNOWS, REASON, ALICE, Kind.IDENTITY, SOMCHAI).version == 2


def test_a_folder_of_other_things_is_not_closed_to_others(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "theirs").touch()
    with pytest.raises(BadInput):
        Vault.create(tmp_path, SECRET)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755
    assert [one.name for one in tmp_path.iterdir()] == ["theirs"]


def test_an_empty_volume_becomes_a_vault(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    with make_vault(tmp_path) as vault:
        assert vault.status(CUSTODIAN)["records"] == 0


def test_no_backup_lies_where_an_erasure_would_have_to_reach_it(vault: Vault) -> None:
    for target in (vault.folder / "copy.db", vault.folder / ".." / vault.folder.name / "copy.db"):
        with pytest.raises(BadInput):
            vault.back_up(CUSTODIAN, REASON, target)
    assert not (vault.folder / "copy.db").exists()


def test_half_a_backup_is_none(vault: Vault, tmp_path_factory: pytest.TempPathFactory) -> None:
    target = tmp_path_factory.mktemp("copies") / "copy.db"
    with (
        patch("apps.vault.vault.sync_file", side_effect=OSError(errno.ENOSPC, "full")),
        pytest.raises(OSError, match="full"),
    ):
        vault.back_up(CUSTODIAN, REASON, target)
    assert not target.exists()
    vault.back_up(CUSTODIAN, REASON, target)
