"""A file system with little room, for tests of full disks; mounting it needs root, or sudo that asks nothing.

Where that is not allowed the test is skipped, or fails with SMALL_DISK_REQUIRED=1, which the gate sets.
"""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

REQUIRED = "SMALL_DISK_REQUIRED"
FILLER = "filler"
FILLER_CHUNK_BYTES = 4096


@contextmanager
def small_disk(place: Path, size_bytes: int) -> Iterator[Path]:
    """Mount a tmpfs of this size on a new directory; see the module for where that is not allowed."""
    place.mkdir()
    as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    owner = f"uid={os.geteuid()},gid={os.getegid()},mode=700"
    mount = [*as_root, "mount", "-t", "tmpfs", "-o", f"size={size_bytes},{owner}", "none", str(place)]
    try:
        done = subprocess.run(mount, check=False, capture_output=True, text=True)
        refusal = done.stderr.strip() if done.returncode else ""
    except FileNotFoundError as error:
        refusal = str(error)
    if refusal:
        _give_up(f"a tmpfs cannot be mounted here: {refusal}")
    try:
        yield place
    finally:
        subprocess.run([*as_root, "umount", "-l", str(place)], check=True)


def _give_up(reason: str) -> None:
    if os.environ.get(REQUIRED) == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def fill(place: Path) -> Path:
    """Leave no byte free; return the file to remove for room."""
    filler = place / FILLER
    with filler.open("ab", buffering=0) as file:
        try:
            while True:
                file.write(bytes(FILLER_CHUNK_BYTES))
        except OSError as error:
            assert error.errno == errno.ENOSPC  # noqa: PT017  # the loop has no other end
    return filler
