"""A file system with little room, for tests of full disks; mounting it needs root."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

FILLER = "filler"
FILLER_CHUNK_BYTES = 4096


@contextmanager
def small_disk(place: Path, size_bytes: int) -> Iterator[Path]:
    """Mount a tmpfs of this size on a new directory; the test is skipped where that is not allowed."""
    place.mkdir()
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0:
        pytest.skip("mounting needs root")
    if subprocess.run(
        [mount, "-t", "tmpfs", "-o", f"size={size_bytes}", "none", place], check=False
    ).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


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
