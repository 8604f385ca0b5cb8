"""What the operating system says when a write fails, as a storage error that names the file.

Responsible for telling a full disk from other failures. It must not know which file it is.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from node.storage.kv import DiskFullError, StorageError, WriteFailedError

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def name_failure(text: str) -> StorageError:
    """Return the error of a failed write that was described so.

    The text must do: LevelDB passes on nothing else.
    """
    is_full = any(os.strerror(code) in text for code in _NO_SPACE)
    return DiskFullError(text) if is_full else WriteFailedError(text)


@contextmanager
def os_errors_translated(path: Path | None = None) -> Iterator[None]:
    """Turn OSError inside the block into DiskFullError or WriteFailedError.

    `path` is what the operating system is asked about by a descriptor alone, and so does not name.
    """
    try:
        yield
    except OSError as error:
        if path is None or error.filename is not None:
            raise name_failure(str(error)) from error
        raise name_failure(f"{path}: {error.strerror or error}") from error
