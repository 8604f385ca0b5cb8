"""Officers of the vault and their tokens, of which the database has hashes alone.

Responsible for appointing, dismissing and recognising. A token is the officer's name and 32 random bytes:
`loamv1.<name>.<hex>`; being random, it needs no slow hash. It is shown once, when it is made.

`keys.db` lists the hashes of dismissed officers' tokens as well, so that a backup of the records brings none
back: dismissing writes there first, and opening a vault dismisses again whom it lists.
"""

from __future__ import annotations

import hmac
from typing import Final, NamedTuple

from apps.vault.database import Database
from apps.vault.errors import BadInput
from apps.vault.keyring import Keyring
from apps.vault.policy import Actor, Role, parse_name
from apps.vault.sealing import draw_bytes
from runtime.primitives.hashing import blake2_256

TOKEN_TAG: Final = "loamv1"  # noqa: S105 (a name, not a token)
TOKEN_LENGTH_MAX: Final = 128
OFFICERS_MAX: Final = 256
_NOBODY: Final = bytes(32)


class Officer(NamedTuple):
    """An officer as the list shows it; `revoked_ms` is None while the token holds."""

    name: str
    role: Role
    created_ms: int
    revoked_ms: int | None


class Officers:
    """The officers in the records' database, and in the keyring the tokens that hold no more."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._database = database
        self._keyring = keyring

    def add(self, name: str, role: Role, now_ms: int) -> str:
        """Appoint an officer and return the token; the caller has a transaction open.

        BadInput for a name that is or was in use, since the log names officers by it, and for custodians.
        """
        parse_name(name)
        if role is Role.CUSTODIAN:
            raise BadInput("a custodian has the master key, not a token")
        if self._database.execute("SELECT 1 FROM officer WHERE name = ?", (name,)).fetchone():
            raise BadInput(f"there is or was an officer {name}; the log names officers by their names")
        if len(self.listed()) >= OFFICERS_MAX:
            raise BadInput(f"a vault has at most {OFFICERS_MAX} officers")
        secret = draw_bytes().hex()
        values = (name, role, _hash(secret), now_ms)
        self._database.execute("INSERT INTO officer VALUES (?, ?, ?, ?, NULL)", values)
        return f"{TOKEN_TAG}.{name}.{secret}"

    def revoke(self, name: str, now_ms: int) -> None:
        """Let an officer's token hold no more; the caller has a transaction open. BadInput for nobody's
        name."""
        found = self._database.execute(
            "SELECT token_hash FROM officer WHERE name = ? AND revoked_ms IS NULL", (name,)
        ).fetchone()
        if found is None:
            raise BadInput("there is no officer of this name")
        self._keyring.dismiss([(found[0], now_ms)])
        self._dismiss(found[0], now_ms)

    def dismiss_again(self) -> None:
        """Dismiss whom the keyring lists, and list there whom only the records know as dismissed; the caller
        has a transaction open."""
        for token_hash, revoked_ms in self._keyring.dismissed():
            self._dismiss(token_hash, revoked_ms)
        rows = self._database.execute("SELECT token_hash, revoked_ms FROM officer WHERE revoked_ms NOT NULL")
        self._keyring.dismiss(rows.fetchall())

    def _dismiss(self, token_hash: bytes, now_ms: int) -> None:
        self._database.execute(
            "UPDATE officer SET revoked_ms = ? WHERE token_hash = ? AND revoked_ms IS NULL",
            (now_ms, token_hash),
        )

    def listed(self) -> list[Officer]:
        """Return all officers that there were, by name."""
        rows = self._database.execute("SELECT name, role, created_ms, revoked_ms FROM officer ORDER BY name")
        return [Officer(name, Role(role), created, revoked) for name, role, created, revoked in rows]

    def recognise(self, token: str) -> Actor | None:
        """Return whose token it is, None for nobody's; how long that takes tells nothing of the secret."""
        is_formed = token.isascii() and len(token) <= TOKEN_LENGTH_MAX
        tag, _, rest = (token if is_formed else "").partition(".")
        name, _, secret = rest.rpartition(".")
        found = self._database.execute(
            "SELECT role, token_hash FROM officer WHERE name = ? AND revoked_ms IS NULL", (name,)
        ).fetchone()
        role, known = (Role.AUDITOR, _NOBODY) if found is None else (Role(found[0]), found[1])
        if not hmac.compare_digest(_hash(secret), known) or tag != TOKEN_TAG:
            return None
        return Actor(name, role)


def _hash(secret: str) -> bytes:
    return blake2_256(secret.encode())
