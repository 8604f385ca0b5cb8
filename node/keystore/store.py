"""The keystore of authority keys: one file per key, named by key type and public key, and keys in memory
only.

Plain files are Substrate's: name hex(key type) ‖ hex(public), content a JSON string of the secret URI, the
password a derivation suffix. Sealed files add `.sealed` to the name and hold key type, public key, scheme
and secret URI in the container of sealed.py, so that a renamed file is noticed. Both are read; one is
written, as the keystore was opened.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import orjson

from node.keystore.errors import KeystoreError
from node.keystore.files import ensure_private_directory, read_private_file, write_private_file
from node.keystore.sealed import Sealer
from runtime.primitives.crypto import Keypair, Scheme
from runtime.primitives.keys import UriError

SEALED_SUFFIX = ".sealed"
KEYS_MAX = 1024
FILE_NAME = re.compile(r"([0-9a-f]{8})((?:[0-9a-f]{2}){32,33})(\.sealed)?")
KEY_TYPE = re.compile(r"[\x21-\x7e]{4}")


class KeyId(NamedTuple):
    """What names a key: four characters of purpose (`gran`, `babe`, …) and the public key."""

    key_type: str
    public: bytes

    def get_file_name(self) -> str:
        """Return the name of the key's plain file."""
        return self.key_type.encode().hex() + self.public.hex()


class SealedKey(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The plain text inside a sealed file."""

    key_type: str
    public: bytes
    scheme: int
    suri: str


class Keystore:
    """The keys of one node on one chain; without a path it lives in memory."""

    def __init__(
        self,
        path: Path | None,
        *,
        password: str | None = None,
        plain: bool = False,
        may_be_open: bool = False,
    ) -> None:
        """Open the directory, or create it for its owner alone; sealing needs a password, opening plain
        does not.

        `may_be_open` reads keys too that others can read.
        """
        self._path = path
        self._password = password
        self._plain = plain
        self._may_be_open = may_be_open
        self._sealer = Sealer(password) if password is not None else None
        self._loaded: dict[KeyId, Keypair] = {}
        if path is not None:
            ensure_private_directory(path, may_be_open=may_be_open)

    def list_keys(self, key_type: str | None = None) -> tuple[KeyId, ...]:
        """Return the keys held, on disk and in memory, in order of type and public key."""
        found = {*self._loaded, *(key for key, _ in self._walk())}
        return tuple(sorted(key for key in found if key_type in (None, key.key_type)))

    def has_key(self, key_type: str, public: bytes) -> bool:
        """Tell whether the key is held; its file may still be locked."""
        key = KeyId(key_type, public)
        return key in self._loaded or any(path.exists() for path in self._get_paths(key))

    def find_scheme(self, suri: str, public: bytes) -> Scheme | None:
        """Return the scheme in which a secret URI gives a public key, as `insert` would read it; None when
        none does.
        """
        for scheme in Scheme:
            try:
                pair = Keypair.from_uri(suri, scheme, self._password if self._plain else None)
            except UriError:  # soft junctions exist in one scheme only
                continue
            if pair.public == public:
                return scheme
        return None

    def insert(self, key_type: str, suri: str, scheme: Scheme) -> KeyId:
        """Write the key of a secret URI and return its name; an existing file of the key is replaced."""
        self._ensure_key_type(key_type)
        if len(self.list_keys()) >= KEYS_MAX:
            raise KeystoreError(f"{self._path or 'the keystore'} holds {KEYS_MAX} keys, which is the limit")
        try:
            pair = Keypair.from_uri(suri, scheme, self._password if self._plain else None)
        except UriError as error:
            raise KeystoreError(f"not a secret URI: {error}") from error
        key = KeyId(key_type, pair.public)
        self._write(key, suri, scheme)
        self._loaded[key] = pair
        return key

    def insert_ephemeral(self, key_type: str, pair: Keypair) -> KeyId:
        """Hold a key in memory only, as the named development accounts are."""
        self._ensure_key_type(key_type)
        key = KeyId(key_type, pair.public)
        self._loaded[key] = pair
        return key

    def get_keypair(self, key_type: str, public: bytes) -> Keypair:
        """Return the key pair; raises KeystoreError if it is missing, locked, malformed or not what its
        name says.
        """
        key = KeyId(key_type, public)
        if key not in self._loaded:
            self._loaded[key] = self._read(key)
        return self._loaded[key]

    def _walk(self) -> Iterator[tuple[KeyId, Path]]:
        if self._path is None:
            return
        count = 0
        for path in self._path.iterdir():
            match = FILE_NAME.fullmatch(path.name)
            key_type = bytes.fromhex(match[1]) if match else b""
            if match is None or not KEY_TYPE.fullmatch(key_type.decode("latin-1")):
                continue
            count += 1
            if count > 2 * KEYS_MAX:
                raise KeystoreError(f"{self._path} holds more than {KEYS_MAX} keys")
            yield KeyId(key_type.decode(), bytes.fromhex(match[2])), path

    def _get_paths(self, key: KeyId) -> tuple[Path, ...]:
        if self._path is None or not KEY_TYPE.fullmatch(key.key_type):
            return ()
        name = key.get_file_name()
        return (self._path / f"{name}{SEALED_SUFFIX}", self._path / name)

    def _read(self, key: KeyId) -> Keypair:
        for path in self._get_paths(key):
            if path.exists():
                try:
                    read = self._read_sealed if path.suffix == SEALED_SUFFIX else self._read_plain
                    return read(key, read_private_file(path, may_be_open=self._may_be_open))
                except KeystoreError as error:
                    where = "" if str(path) in str(error) else f"{path}: "
                    raise KeystoreError(f"{where}{error}") from error
        raise KeystoreError(f"no key {key.key_type} 0x{key.public.hex()} in {self._path or 'memory'}")

    def _read_sealed(self, key: KeyId, data: bytes) -> Keypair:
        if self._sealer is None:
            raise KeystoreError("the key is sealed: give --password-filename or --password-interactive")
        try:
            sealed = msgspec.msgpack.decode(self._sealer.open(data), type=SealedKey)
            pair = Keypair.from_uri(sealed.suri, Scheme(sealed.scheme))
        except ValueError as error:
            raise KeystoreError("the sealed key is malformed") from error
        if KeyId(sealed.key_type, sealed.public) != key or pair.public != key.public:
            raise KeystoreError("the sealed key is another than the file's name says")
        return pair

    def _read_plain(self, key: KeyId, data: bytes) -> Keypair:
        try:
            suri = orjson.loads(data)
        except orjson.JSONDecodeError as error:
            raise KeystoreError("not a JSON string") from error
        if not isinstance(suri, str):
            raise KeystoreError("not a JSON string")
        for scheme in Scheme:
            try:
                pair = Keypair.from_uri(suri, scheme, self._password)
            except UriError:
                continue
            if pair.public == key.public:
                return pair
        raise KeystoreError(
            "the secret is not the one of the file's name, or its password is missing or wrong"
        )

    def _write(self, key: KeyId, suri: str, scheme: Scheme) -> None:
        if self._path is None:
            return
        sealed_path, plain_path = self._get_paths(key)
        if self._plain:
            write_private_file(plain_path, orjson.dumps(suri))
            return
        if self._sealer is None:
            raise KeystoreError(
                "keys are kept sealed and need a password: give --password-filename or"
                " --password-interactive, or choose --keystore-plain"
            )
        sealed = SealedKey(key.key_type, key.public, int(scheme), suri)
        write_private_file(sealed_path, self._sealer.seal(msgspec.msgpack.encode(sealed)))

    @staticmethod
    def is_key_type(text: str) -> bool:
        """Tell whether a text can be a key type."""
        return KEY_TYPE.fullmatch(text) is not None

    def _ensure_key_type(self, key_type: str) -> None:
        if not self.is_key_type(key_type):
            raise KeystoreError("a key type has four visible ASCII characters, such as gran")
