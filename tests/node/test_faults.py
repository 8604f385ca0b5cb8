"""Which exit code a node ends with when several of its tasks failed at once."""

from pathlib import Path

import pytest

from node.config import Config, ExitCode, StartError
from node.service import open_chain
from node.storage.kv import ClosedError, CorruptionError, DiskFullError, WriteFailedError
from runtime.frame.executive import InvalidBlock

FULL = DiskFullError("/data/000006.log: No space left on device")
REFUSED = WriteFailedError("/data/head: Input/output error")


def closed(failure: BaseException | None) -> ClosedError:
    return ClosedError("the database may not be used any more", failure)


def end_with(error: BaseException, base: Path) -> None:
    with open_chain(Config(chain="dev", base_path=str(base))):
        raise error


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (FULL, ExitCode.DISK_FULL, str(FULL)),
        (closed(FULL), ExitCode.DISK_FULL, str(FULL)),
        (closed(closed(FULL)), ExitCode.DISK_FULL, str(FULL)),
        (ExceptionGroup("tasks", [closed(REFUSED), REFUSED]), ExitCode.DISK_FAILING, str(REFUSED)),
        (ExceptionGroup("tasks", [closed(FULL), closed(FULL)]), ExitCode.DISK_FULL, str(FULL)),
        (
            ExceptionGroup("tasks", [ExceptionGroup("inner", [KeyError("x"), FULL]), closed(FULL)]),
            ExitCode.DISK_FULL,
            str(FULL),
        ),
        (ExceptionGroup("tasks", [REFUSED, CorruptionError("bad")]), ExitCode.DATABASE_CORRUPT, "bad"),
        (closed(None), ExitCode.ERROR, str(closed(None))),
        (InvalidBlock("wrong root"), ExitCode.DATABASE_CORRUPT, "wrong root"),
    ],
)
def test_most_telling_fault_names_code_and_reason(
    error: BaseException, code: ExitCode, message: str, tmp_path: Path
) -> None:
    with pytest.raises(StartError) as caught:
        end_with(error, tmp_path)
    assert caught.value.exit_code == code
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "error", [KeyError("x"), ExceptionGroup("tasks", [KeyError("x")]), closed(KeyError("x"))]
)
def test_bug_is_not_taken_for_a_fault_of_the_machine(error: BaseException, tmp_path: Path) -> None:
    with pytest.raises((KeyError, ExceptionGroup, ClosedError)) as caught:
        end_with(error, tmp_path)
    assert caught.value is error
