"""The state file of a devnet, by which other terminals find and change it, and the pointer to the latest one.

A change is made under a lock and written by renaming, so a reader sees the old state or the new. It must not
know what the state means.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from platformdirs import user_data_path

from node.config import ExitCode, StartError
from node.devnet.records import DevnetRecord

STATE_FILE = "devnet.json"
LOCK_FILE = "devnet.lock"
POINTER_FILE = "latest-devnet"
STATE_BYTES_MAX = 4 * 1024 * 1024
POINTER_BYTES_MAX = 4096
NO_DEVNET = "no devnet is known here; start one with: loam devnet, or name its --base-path"


class StateFile:
    """The state of the devnet in one directory, which must exist; `last` is what was read or written last."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.last: DevnetRecord | None = None
        self._path = directory / STATE_FILE

    def exists(self) -> bool:
        """Tell whether the directory has, or had, a devnet."""
        return self._path.exists()

    def load(self) -> DevnetRecord:
        """Return the state; StartError when there is none that this program can read."""
        try:
            with self._path.open("rb") as file:
                data = file.read(STATE_BYTES_MAX + 1)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise StartError(f"{self.directory} holds no devnet", ExitCode.CONFIG) from error
        try:
            if len(data) > STATE_BYTES_MAX:
                raise msgspec.ValidationError(f"larger than {STATE_BYTES_MAX} bytes")
            self.last = msgspec.json.decode(data, type=DevnetRecord)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            fault = f"{self._path} is no state of a devnet that this release knows: {error}"
            raise StartError(fault, ExitCode.CONFIG) from error
        return self.last

    def store(self, record: DevnetRecord) -> None:
        """Write the state; whoever changes what is there does so under the lock."""
        draft = self._path.with_suffix(".draft")
        draft.write_bytes(msgspec.json.format(msgspec.json.encode(record)))
        draft.replace(self._path)
        self.last = record

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other change away, waiting for one that is being made."""
        file = os.open(self.directory / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        finally:
            os.close(file)


def find_state(base_path: Path | None) -> StateFile:
    """Return the state file of the named devnet, or of the latest of this user; StartError without one."""
    if base_path is not None:
        return StateFile(base_path)
    try:
        with get_pointer_path().open("rb") as file:
            directory = Path(os.fsdecode(file.read(POINTER_BYTES_MAX)))
    except FileNotFoundError as error:
        raise StartError(NO_DEVNET, ExitCode.CONFIG) from error
    state = StateFile(directory)
    if not state.exists():
        raise StartError(NO_DEVNET, ExitCode.CONFIG)
    return state


def point_at(directory: Path) -> None:
    """Make this the latest devnet of the user."""
    pointer = get_pointer_path()
    pointer.parent.mkdir(parents=True, exist_ok=True)
    draft = pointer.with_suffix(f".{os.getpid()}")
    draft.write_bytes(os.fsencode(directory))
    draft.replace(pointer)


def forget(directory: Path) -> None:
    """Remove the pointer to a devnet that is gone; that to another stays."""
    pointer = get_pointer_path()
    try:
        if pointer.read_bytes() == os.fsencode(directory):
            pointer.unlink()
    except FileNotFoundError:
        return


def get_pointer_path() -> Path:
    """Return the file that names the latest devnet."""
    return user_data_path("loam", appauthor=False) / POINTER_FILE
