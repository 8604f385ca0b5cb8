"""A chain on which something is owed to data subjects and regulators."""

from typing import Any

from apps.chain.values import Value
from tests.apps.chain.ledger import RUNTIME, Ledger, encoded
from tests.apps.vault.making import ALICE

NOW = 1_735_689_600_000
HASH = bytes(32)


class Owing(Ledger):
    """A chain with requests, breaches and retention periods."""

    def __init__(self) -> None:
        super().__init__()
        self.store("Timestamp", "Now", NOW)

    def store(self, pallet: str, item: str, value: Value, *keys: Value) -> None:
        """Store an entry."""
        self.stored["0x" + RUNTIME.storage_key(pallet, item, *keys).hex()] = encoded(pallet, item, value)

    def request(
        self, number: int, kind: str, due_ms: int, *, subject: bytes = ALICE, is_open: bool = True
    ) -> None:
        """Store a request of a subject."""
        value: dict[str, Any] = {
            "subject": subject,
            "kind": kind,
            "text": HASH,
            "filed_ms": 0,
            "due_ms": due_ms,
            "state": "Filed" if is_open else "Fulfilled",
            "is_verified": True,
            "answered_ms": None,
            "answer": None,
            "refusal": None,
        }
        self.store("Privacy", "Dsr", value, number)
        if is_open:
            self.store("Privacy", "OpenDsr", number, subject, kind)

    def breach(self, number: int, state: str, due_ms: int) -> None:
        """Store a breach."""
        value = {"record": HASH, "detected_ms": 0, "due_ms": due_ms, "state": state, "risk": None}
        self.store("Privacy", "Breach", {**value, "notified_ms": None, "notice": None}, number)

    def retain(self, commitment: bytes, due_ms: int) -> None:
        """Store a record's period."""
        self.store("Privacy", "Retained", {"category": "Identity", "due_ms": due_ms}, commitment)
