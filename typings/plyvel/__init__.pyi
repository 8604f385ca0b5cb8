"""Types of the part of plyvel that node.storage.leveldb uses; the wheel ships none."""

from plyvel._plyvel import DB as DB
from plyvel._plyvel import CorruptionError as CorruptionError
from plyvel._plyvel import Error as Error
from plyvel._plyvel import IOError as IOError  # noqa: A004 - the library's name
from plyvel._plyvel import repair_db as repair_db
