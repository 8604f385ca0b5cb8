"""Where the keystore's password comes from: the setting, a file, or the terminal."""

from collections.abc import Callable
from pathlib import Path

from node.config import Config
from node.keystore.errors import KeystoreError

PASSWORD_FILE_BYTES_MAX = 4096


def read_password(config: Config, ask: Callable[[], str]) -> str | None:
    """Return the password, or None where no source is configured; `ask` prompts the operator.

    One line end at the end of a password file belongs to the editor, not to the password.
    """
    if config.password is not None:
        return config.password
    if config.password_filename is not None:
        return _read_password_file(Path(config.password_filename))
    if config.password_interactive:
        return _ensure_password(ask(), "the password")
    return None


def _read_password_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(PASSWORD_FILE_BYTES_MAX + 1)
    except OSError as error:
        raise KeystoreError(f"{path}: cannot read the password file: {error.strerror}") from error
    if len(data) > PASSWORD_FILE_BYTES_MAX:
        raise KeystoreError(f"{path}: larger than {PASSWORD_FILE_BYTES_MAX} bytes, which no password file is")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise KeystoreError(f"{path}: the password is not UTF-8 text") from error
    return _ensure_password(text.removesuffix("\n").removesuffix("\r"), str(path))


def _ensure_password(password: str, where: str) -> str:
    if not password:
        raise KeystoreError(f"{where} is empty")
    if "\n" in password:
        raise KeystoreError(f"{where} has more than one line")
    return password
