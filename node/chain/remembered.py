"""The genesis header, remembered beside the database: a large spec need not be computed at every start.

Responsible for one small file: the header, under a digest of all that it was computed from. A record that
is damaged, or made from anything else, counts as none; then the genesis is computed and remembered anew. It
must not know what a spec is.
"""

from __future__ import annotations

from pathlib import Path

from runtime.primitives.block import Header, decode_header, encode_header
from runtime.primitives.hashing import blake2_256

GENESIS_FILE = "genesis"
DIGEST_BYTES = 32
RECORD_BYTES_MAX = 4096
"""A genesis header has an empty digest and takes 98 bytes; a longer file is none of ours."""


class GenesisRecord:
    """The file of one chain's genesis, as far as it was made from one source."""

    def __init__(self, path: Path, source: bytes) -> None:
        """`source` is a 32-byte digest of all that the genesis depends on."""
        assert len(source) == DIGEST_BYTES
        self._path = path
        self._source = source

    def recall(self) -> Header | None:
        """Return the header that was computed from the source, None if it is not known."""
        try:
            with self._path.open("rb") as file:
                record = file.read(RECORD_BYTES_MAX)
        except FileNotFoundError:
            return None
        checksum, header = record[:DIGEST_BYTES], record[DIGEST_BYTES:]
        return decode_header(header) if checksum == self._compute_checksum(header) else None

    def remember(self, header: Header) -> None:
        """Replace the record. It is not synced: what a crash leaves half-written is not recalled."""
        encoded = encode_header(header)
        temporary = self._path.with_suffix(".new")
        temporary.write_bytes(self._compute_checksum(encoded) + encoded)
        temporary.replace(self._path)

    def _compute_checksum(self, header: bytes) -> bytes:
        return blake2_256(self._source + header)
