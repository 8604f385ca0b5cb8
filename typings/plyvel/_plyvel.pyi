"""Types of the part of plyvel that node.storage.leveldb uses; the wheel ships none."""

from collections import abc
from typing import Generic, Literal, TypeVar, overload

_Item = TypeVar("_Item")

class Error(Exception): ...
class IOError(Error, OSError): ...  # noqa: A001 - the library's name
class CorruptionError(Error): ...

class WriteBatch:
    def put(self, key: bytes, value: bytes) -> None: ...
    def delete(self, key: bytes) -> None: ...
    def write(self) -> None: ...

class Iterator(abc.Iterator[_Item], Generic[_Item]):
    def __next__(self) -> _Item: ...
    def close(self) -> None: ...

class _Reads:
    def get(self, key: bytes, *, verify_checksums: bool = False) -> bytes | None: ...
    @overload
    def iterator(
        self,
        *,
        reverse: bool = False,
        start: bytes | None = None,
        stop: bytes | None = None,
        include_value: Literal[True] = True,
        verify_checksums: bool = False,
    ) -> Iterator[tuple[bytes, bytes]]: ...
    @overload
    def iterator(
        self,
        *,
        reverse: bool = False,
        start: bytes | None = None,
        stop: bytes | None = None,
        include_value: Literal[False],
        verify_checksums: bool = False,
    ) -> Iterator[bytes]: ...
    def close(self) -> None: ...

class Snapshot(_Reads): ...

class DB(_Reads):
    def __init__(
        self,
        name: str,
        *,
        create_if_missing: bool = False,
        error_if_exists: bool = False,
        paranoid_checks: bool | None = None,
        write_buffer_size: int | None = None,
        max_open_files: int | None = None,
        lru_cache_size: int | None = None,
        block_size: int | None = None,
        max_file_size: int | None = None,
        compression: str | None = "snappy",
        bloom_filter_bits: int = 0,
    ) -> None: ...
    def write_batch(self, *, transaction: bool = False, sync: bool = False) -> WriteBatch: ...
    def snapshot(self) -> Snapshot: ...
    def compact_range(self, *, start: bytes | None = None, stop: bytes | None = None) -> None: ...
    def approximate_size(self, start: bytes, stop: bytes) -> int: ...
    def get_property(self, name: bytes) -> bytes | None: ...

def repair_db(name: str, *, paranoid_checks: bool | None = None) -> None: ...
